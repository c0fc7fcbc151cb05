"""The rows of residents and records that the trail vouches for (`trail.state_kinds`)."""

import hmac
from typing import Any, Final

from app.audit.verify import shown
from app.residents.boxes import (
    erased_state,
    look_up,
    record_place,
    record_state,
    resident_place,
    resident_state,
    unseal_personal,
)
from app.residents.erasure_rows import ErasureRow, HoldRow, erasure_state, hold_state
from app.residents.retention_rows import RequestRow, ReviewRow, RuleRow, row_state
from app.residents.rows import RecordRow, ResidentRow
from app.trail.state_kinds import Fault, Keys, Kind, Row, columns, of_organisation
from app.trail.state_ledger import Ledger

MOST_AT_ONCE = 64
"""Records read at once: each may be a document of some megabytes."""
_INDEXES = ("nhs_index", "family_index", "family_birth_index")
_NO_KEY: Final = (None, b"")
"""The wrapped key of a resident who is not there, and of one who was erased."""
_LEFT = ("STATE", "the resident is erased, and something is left that leads to them")
_ELSEWHERE = ("STATE", "it stands under another resident than its entries say")
_RESIDENT_END: Final = len(ResidentRow._fields)
_RECORD_END: Final = len(RecordRow._fields)
# What is one record's whatever its version, and what each version has of its own
_SAME = ("category", "about", "first_recorded_at", "author", "medication_id")
_OWN = (
    *("org", "resident_id", "record_id", "version", "occurred_at", "occurred_at_estimated"),
    *("recorded_at", "recorded_by", "late", "deleted", "body"),
)
_VERSION_FIELDS: Final = tuple("id" if name == "record_id" else name for name in (*_SAME, *_OWN))
_PLACES: Final = [_VERSION_FIELDS.index(name) for name in RecordRow._fields[:-1]]


def _resident_digest(keys: Keys, row: Row) -> bytes:
    resident = ResidentRow._make(row[:_RESIDENT_END])
    if resident.erased:
        return erased_state(keys.own_state(), resident)
    return resident_state(keys.state_of(resident.id, resident.wrapped_key), resident)


def _resident_further(keys: Keys, _ledger: Ledger, row: Row) -> list[Fault]:
    """Judge what the digest leaves out: the indexes a resident is found by, the original of an import."""
    resident, (source, *indexes) = ResidentRow._make(row[:_RESIDENT_END]), row[_RESIDENT_END:]
    if resident.erased:
        sealed = resident.identity, resident.identifiers, resident.room, source
        return [_LEFT] if any((*sealed, *indexes)) else []
    key = keys.owner(resident.id, resident.wrapped_key)
    personal = unseal_personal(key, resident)
    expected = look_up(keys, personal["identity"], personal["identifiers"])
    if source is not None:
        key.unseal(source, resident_place(resident.org, resident.id, "source", 1))
    if all(_same(index, expected[name]) for index, name in zip(indexes, _INDEXES, strict=True)):
        return []
    return [("STATE", "the resident is found under another name, number or date of birth than theirs")]


def _same(one: Any, other: bytes | None) -> bool:
    return one == other if one is None or other is None else hmac.compare_digest(bytes(one), other)


def _record_digest(keys: Keys, row: Row) -> bytes | None:
    if row[-1] in _NO_KEY:
        # No such resident: that row is missed by itself. Or an erased one. Nothing can make the digest anew:
        # the one in the row must still be the entry's, and the resident the one it was made for (`_moved`)
        return None
    record = RecordRow._make(row[:_RECORD_END])
    return record_state(keys.state_of(record.resident_id, row[-1]), record)


def _record_further(keys: Keys, ledger: Ledger, row: Row) -> list[Fault]:
    """Judge whose the record is, where no key can, and the original of an import: it opens in its place."""
    org, resident_id, record_id, source = row[1], row[2], row[0], row[_RECORD_END]
    if row[-1] in _NO_KEY:
        return _moved(ledger, record_id, resident_id)
    if source is not None:
        place = record_place(org, resident_id, record_id, "source", 1)
        keys.owner(resident_id, row[-1]).unseal(source, place)
    return []


def _moved(ledger: Ledger, record_id: str, resident_id: str) -> list[Fault]:
    """Say whether a row stands under somebody else than the trail made its record for."""
    whose = ledger.resident(record_id)
    if whose is None or whose == resident_id:
        return []
    ledger.altered.add(record_id)
    return [_ELSEWHERE]


def _version_digest(keys: Keys, row: Row) -> bytes | None:
    """Return the digest the record's row had at this version: the trail vouches for every one of them."""
    if row[0] is None or row[-1] in _NO_KEY:
        return None  # without its record, which is missed by itself, or without a key, as above
    record = RecordRow._make([row[place] for place in _PLACES] + [b""])
    return record_state(keys.state_of(record.resident_id, row[-1]), record)


def _version_further(keys: Keys, ledger: Ledger, row: Row) -> list[Fault]:
    """Judge whose the version is, where its digest cannot, and its reason: it opens in its place."""
    org, resident_id, record_id, version = row[len(_SAME) : len(_SAME) + 4]
    if row[0] is None or row[-1] in _NO_KEY:
        return _moved(ledger, record_id, resident_id)
    if (reason := row[-2]) is not None:
        place = record_place(org, resident_id, record_id, "reason", version)
        keys.owner(resident_id, row[-1]).unseal(reason, place)
    return []


def _erasure_further(_keys: Keys, ledger: Ledger, row: Row) -> list[Fault]:
    """Judge which entry an erasure points to: the one that carried it out, none before there is one."""
    erasure, entry = ErasureRow._make(row[:-1]), row[-1]
    said = ledger.newest("erasure", erasure.id)
    due = said.seq if said is not None and erasure.status == "approved" else None
    if said is None or entry == due:
        return []
    return [("STATE", f"the row points to entry {_number(entry)}, the chain's is {_number(due)}")]


def _number(seq: Any) -> str:
    return "none" if seq is None else f"#{shown(seq)}"


_OF_RESIDENT = " LEFT JOIN resident r ON r.org = {0}.org AND r.id = {0}.resident_id WHERE {0}.org = ?"

RESIDENTS = Kind(
    name="resident",
    table="resident",
    select=(
        f"SELECT {columns('r', (*ResidentRow._fields, 'source', *_INDEXES))} FROM resident r WHERE r.org = ?"
    ),
    order=("r.id",),
    places=(0,),
    id=0,
    version=13,
    digest=_resident_digest,
    further=_resident_further,
    state=14,
)
RECORDS = Kind(
    name="record",
    table="record",
    select=(
        f"SELECT {columns('c', (*RecordRow._fields, 'source'))}, r.wrapped_key FROM record c"
        + _OF_RESIDENT.format("c")
    ),
    order=("c.resident_id", "c.id"),
    places=(2, 0),
    id=0,
    version=15,
    digest=_record_digest,
    further=_record_further,
    state=16,
    batch=MOST_AT_ONCE,
)
VERSIONS = Kind(
    name="record",
    table="record_version",
    select=(
        f"SELECT {columns('c', _SAME)}, {columns('v', (*_OWN, 'reason'))}, r.wrapped_key"
        " FROM record_version v"
        " LEFT JOIN record c ON c.org = v.org AND c.resident_id = v.resident_id AND c.id = v.record_id"
        + _OF_RESIDENT.format("v")
    ),
    order=("v.resident_id", "v.record_id", "v.version"),
    places=(6, 7, 8),
    id=7,
    version=8,
    digest=_version_digest,
    further=_version_further,
    state=None,
    batch=MOST_AT_ONCE,
)
ERASURES = Kind(
    name="erasure",
    table="erasure",
    select=f"SELECT {columns('e', (*ErasureRow._fields, 'entry'))} FROM erasure e WHERE e.org = ?",
    order=("e.id",),
    places=(0,),
    id=0,
    version=11,
    digest=lambda keys, row: erasure_state(keys.own_state(), ErasureRow._make(row[:-1])),
    further=_erasure_further,
    state=12,
)
HOLDS = of_organisation("hold", "resident_hold", HoldRow, "resident_id", hold_state)
ACCESS_REQUESTS = of_organisation("access_request", "access_request", RequestRow, "id", row_state)
RETENTION_RULES = of_organisation("retention_rule", "retention_rule", RuleRow, "id", row_state)
RETENTION_REVIEWS = of_organisation("retention_review", "retention_review", ReviewRow, "id", row_state)
RESIDENT_KINDS = (
    *(RESIDENTS, RECORDS, VERSIONS, ERASURES, HOLDS),
    *(ACCESS_REQUESTS, RETENTION_RULES, RETENTION_REVIEWS),
)
