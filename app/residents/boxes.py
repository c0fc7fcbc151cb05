"""Sealing and unsealing rows of residents and records, and the digests that bind them to the trail."""

from typing import Any, Final

from app.access.opened import Opened
from app.core.errors import AlteredRow, SealBrokenError
from app.residents.identity import fold_name
from app.residents.rows import RecordRow, ResidentRow
from app.residents.table import record, resident
from app.vault.bound_columns import BoundColumns
from app.vault.keyring import LookUpKeys
from app.vault.sealing import DataKey, Place, StateKey, keyed_digest, refuse_altered

JsonObject = dict[str, Any]


def key_of(opened: Opened, resident: ResidentRow) -> DataKey:
    """Return the data key of a resident the receipt covers, if the row is the one the trail knows.

    Where somebody lives decides who reads about them, so nothing is opened for a row that was altered.

    Raises:
        SealBrokenError: The row, or the key in it, was changed behind the service's back.
    """
    try:
        key = opened.owner_key(resident.id, resident.wrapped_key)
    except SealBrokenError as broken:
        raise SealBrokenError(why=broken.why, row=_the_resident(resident)) from broken
    refuse_altered(resident.state, resident_state(key, resident), _the_resident(resident))
    return key


def resident_place(org: str, resident_id: str, field: str, version: int) -> Place:
    """Return where a sealed field of a resident belongs."""
    return Place(org, resident_id, resident_id, field, version)


def record_place(org: str, resident_id: str, record_id: str, field: str, version: int) -> Place:
    """Return where a sealed field of one version of a record belongs."""
    return Place(org, resident_id, record_id, field, version)


def seal_personal(
    key: DataKey, org: str, resident_id: str, version: int, personal: JsonObject
) -> dict[str, bytes | None]:
    """Return the sealed columns of a resident: identity, identifiers and room."""

    def box(field: str) -> bytes:
        return key.seal_json(personal[field], resident_place(org, resident_id, field, version))

    room = box("room") if personal["room"] is not None else None
    return {"identity": box("identity"), "identifiers": box("identifiers"), "room": room}


def unseal_personal(key: DataKey, row: ResidentRow) -> JsonObject:
    """Return identity, identifiers and room of a resident. Whoever has the key has judged the row."""

    def opened_box(box: bytes, field: str) -> Any:
        return key.unseal_json(box, resident_place(row.org, row.id, field, row.version))

    room = opened_box(row.room, "room") if row.room is not None else None
    return {
        "identity": opened_box(row.identity, "identity"),
        "identifiers": opened_box(row.identifiers, "identifiers"),
        "room": room,
    }


def unseal_body(key: DataKey, row: RecordRow) -> JsonObject:
    """Return the body of a record's present version, if the row is the one the trail knows."""
    refuse_altered_record(key, row)
    return unseal_version(key, row)


def refuse_altered_record(key: DataKey, row: RecordRow) -> None:
    """Refuse a record that was changed behind the service's back: its category, its author."""
    refuse_altered(row.state, record_state(key, row), the_record(row))


def unseal_version(key: DataKey, row: RecordRow) -> JsonObject:
    """Return the body of any version of a record."""
    place = record_place(row.org, row.resident_id, row.id, "body", row.version)
    body = key.unseal_json(row.body, place)
    assert isinstance(body, dict)  # noqa: S101 - only bodies are sealed here
    return body


def _the_resident(row: ResidentRow) -> AlteredRow:
    return AlteredRow("resident", row.id, row.id)


def the_record(row: RecordRow) -> AlteredRow:
    """Return a record as it is told of when it was altered."""
    return AlteredRow("record", row.id, row.resident_id)


_RESIDENT: Final = BoundColumns("resident", resident, ResidentRow._fields[:-1])
_ERASED: Final = BoundColumns("erased resident", resident, ResidentRow._fields[:-1])
_RECORD: Final = BoundColumns("record", record, RecordRow._fields[:-1])


def resident_state(key: DataKey | StateKey, row: ResidentRow) -> bytes:
    """Return the keyed digest of a resident's row: all columns read but the digest itself."""
    return _RESIDENT.digest(key, row[:-1])


def erased_state(key: DataKey | StateKey, row: ResidentRow) -> bytes:
    """Return the keyed digest of what is left of an erased resident. The key is the organisation's."""
    return _ERASED.digest(key, row[:-1])


def record_state(key: DataKey | StateKey, row: RecordRow) -> bytes:
    """Return the keyed digest of a record's row: all columns read but the digest itself."""
    return _RECORD.digest(key, row[:-1])


def look_up(keys: LookUpKeys, identity: JsonObject, identifiers: JsonObject) -> dict[str, bytes | None]:
    """Return the blind-index columns of a resident."""
    number = identifiers.get("nhs_number")
    family = fold_name(identity["family_name"])
    return {
        "nhs_index": nhs_index(keys, number) if number else None,
        "family_index": family_index(keys, family),
        "family_birth_index": family_birth_index(keys, family, identifiers["date_of_birth"]),
    }


def nhs_index(keys: LookUpKeys, number: str) -> bytes:
    """Return the blind index of an NHS number."""
    return keyed_digest(keys.look_up_key("nhs number"), number)


def family_index(keys: LookUpKeys, folded: str) -> bytes:
    """Return the blind index of a folded family name."""
    return keyed_digest(keys.look_up_key("family name"), folded)


def family_birth_index(keys: LookUpKeys, folded: str, born: str) -> bytes:
    """Return the blind index of a folded family name with a date of birth."""
    return keyed_digest(keys.look_up_key("family name and birth"), folded, born)
