"""Is a Patient somebody who is recorded already? An id alone says nothing: two sources may use the same.

To know a person again, of those recorded under the Patient's id:

1. the Patient is word for word what it was when it was imported, or
2. the NHS number is the same, and so is the date of birth or the name, or
3. the number is not told by both, and name and date of birth are the same.

Where NHS number, family name and date of birth all differ, it is somebody else. Whatever lies between
is for a person to decide: neither is a second resident made, nor is anything added to the first.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Row, and_, bindparam, or_, select

from app.access.opened import Opened
from app.exchange.drafts import NotImportableError, ResidentDraft
from app.exchange.sources import content_digest, resident_index
from app.residents.bodies import dump
from app.residents.boxes import key_of, look_up, unseal_personal
from app.residents.identity import fold_name
from app.residents.rows import ResidentRow
from app.residents.showing import RESIDENT_COLUMNS
from app.residents.table import resident
from app.vault.sealing import DataKey

_C = resident.c
_MAYBE = (
    select(*RESIDENT_COLUMNS, _C.source_index, _C.source_digest)
    .where(
        _C.org == bindparam("org"),
        or_(
            _C.source_index == bindparam("source_index"),
            and_(_C.deleted.is_(False), _C.nhs_index == bindparam("nhs_index")),
            and_(
                _C.deleted.is_(False),
                _C.family_index == bindparam("family_index"),
                _C.family_birth_index == bindparam("family_birth_index"),
            ),
        ),
    )
    .order_by(_C.created_at, _C.id)
    # Whoever erases one of them in another process waits, or was before: then nobody of that name is here
    .with_for_update(key_share=True, read=True)
)


class PatientInDoubtError(NotImportableError):
    """A Patient that nothing is made of because of somebody recorded: `row`."""

    def __init__(self, code: str, reason: str, row: ResidentRow) -> None:
        super().__init__(code, reason)
        self.row = row


class _Person(NamedTuple):
    """What tells people apart; names are folded, family name first."""

    number: str | None
    born: str
    name: tuple[str, str]

    def has_number_of(self, other: "_Person") -> bool | None:
        """Say whether both have one NHS number; None where one of them has none."""
        return None if None in (self.number, other.number) else self.number == other.number

    def is_named_and_born_as(self, other: "_Person") -> bool:
        """Say whether all but the NHS number is the same."""
        return (self.name, self.born) == (other.name, other.born)

    def is_surely(self, other: "_Person") -> bool:
        """Say whether two people of one id are one: points 2 and 3."""
        if self.has_number_of(other):
            return self.born == other.born or self.name == other.name
        return self.has_number_of(other) is None and self.is_named_and_born_as(other)

    def is_surely_not(self, other: "_Person") -> bool:
        """Say whether two people of one id are two."""
        differs = self.has_number_of(other) is False
        return differs and self.born != other.born and self.name[0] != other.name[0]


@dataclass(frozen=True)
class Recorded:
    """Somebody recorded, with their key and what an import left beside them: nothing where none made them."""

    row: ResidentRow
    key: DataKey
    source_index: bytes
    source_digest: bytes
    person: _Person


def just_made(opened: Opened, draft: ResidentDraft, row: ResidentRow, key: DataKey) -> Recorded:
    """Return a resident of this run, whom the database does not hold yet."""
    index, digest = resident_index(opened, draft.source_key), content_digest(opened, draft.kept)
    return Recorded(row, key, index, digest, _person(_plain(draft)))


def find(opened: Opened, draft: ResidentDraft, of_this_run: Iterable[Recorded]) -> Recorded | None:
    """Return the resident that a Patient became earlier; None where nobody recorded is that person.

    Raises:
        PatientInDoubtError: Somebody recorded may be that person, is that person under another id, or
            became of this Patient and was marked as entered in error.
    """
    person, index = _person(_plain(draft)), resident_index(opened, draft.source_key)
    maybe = [*_maybe(opened, draft, index), *of_this_run]
    of_id = [one for one in maybe if one.source_index == index]
    others = [one for one in maybe if one.source_index != index]
    digest = content_digest(opened, draft.kept)
    sure = [one for one in of_id if one.source_digest == digest]
    if not sure:
        _refuse_number_of_another(others, person)
        sure = [one for one in of_id if one.person.is_surely(person)]
    if len(sure) != 1:
        _refuse_doubt(of_id, others, person)
        return None
    (found,) = sure
    if found.row.deleted:
        reason = f"It became resident {found.row.id}, who was marked as entered in error."
        raise PatientInDoubtError("resident-entered-in-error", reason, found.row)
    return found


def _refuse_number_of_another(others: list[Recorded], person: _Person) -> None:
    for one in others:
        if one.person.has_number_of(person):
            how = "was not made by an import" if not one.source_index else "was imported under another id"
            reason = f"Resident {one.row.id} with this NHS number is recorded already and {how}."
            raise PatientInDoubtError("resident-exists", reason, one.row)


def _refuse_doubt(of_id: list[Recorded], others: list[Recorded], person: _Person) -> None:
    for one in of_id:
        if not one.person.is_surely_not(person):
            reason = (
                f"Resident {one.row.id} was imported under this id, but NHS number, name or date of birth"
                " differ. If it is the same person, amend the resident and import again."
            )
            raise PatientInDoubtError("perhaps-known", reason, one.row)
    for one in others:
        if one.person.has_number_of(person) is None and one.person.is_named_and_born_as(person):
            reason = (
                f"Resident {one.row.id} has the same name and date of birth, and no NHS number tells whether"
                " it is the same person."
            )
            raise PatientInDoubtError("perhaps-known", reason, one.row)


def _maybe(opened: Opened, draft: ResidentDraft, index: bytes) -> list[Recorded]:
    """Return everybody recorded under the id, the NHS number, or the family name and date of birth."""
    plain = _plain(draft)
    asked = look_up(opened, plain["identity"], plain["identifiers"])
    rows = opened.execute(_MAYBE, asked | {"org": opened.org, "source_index": index}).all()
    return [_recorded(opened, row) for row in rows]


def _recorded(opened: Opened, found: Row[Any]) -> Recorded:
    row = ResidentRow._make(found[:-2])
    opened.allows("identity:read", row.place(opened.at))  # whom this covers may be unsealed
    key = key_of(opened, row)
    person = _person(unseal_personal(key, row))
    return Recorded(row, key, found.source_index or b"", found.source_digest or b"", person)


def _plain(draft: ResidentDraft) -> dict[str, dict[str, Any]]:
    return {"identity": dump(draft.identity), "identifiers": dump(draft.identifiers)}


def _person(personal: Mapping[str, Any]) -> _Person:
    identity, identifiers = personal["identity"], personal["identifiers"]
    name = fold_name(identity["family_name"]), fold_name(identity["given_name"])
    return _Person(identifiers.get("nhs_number"), identifiers["date_of_birth"], name)
