"""What an account may be: roles, each at a home, a unit or for named residents.

Assignments are stored with the account as plain JSON, in the shape in which the contract shows them.
Whether the one who grants them may do so is the policy's question; here it is only whether they make
sense.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from app.core.errors import InvalidRequestError
from app.core.identifiers import is_id

UserKind = Literal["staff", "agency"]

POINTER = "/assignments"
MOST_ASSIGNMENTS = 64
MOST_RESIDENTS = 256
LONGEST_WORD = 64

_FIELDS = frozenset({"role", "home_id", "unit", "resident_ids"})


@dataclass(frozen=True, slots=True)
class Assignment:
    """One role and where it holds.

    Attributes:
        role: A name of the organisation's matrix.
        home_id: The home, or None for the whole organisation.
        unit: The unit of the home, or None for all of it.
        resident_ids: These residents only, or None for all.
    """

    role: str
    home_id: str | None = None
    unit: str | None = None
    resident_ids: tuple[str, ...] | None = None


def parse_assignments(given: Any, pointer: str = POINTER) -> tuple[Assignment, ...]:
    """Return the assignments in plain JSON. An empty list is an account that may do nothing yet.

    Raises:
        InvalidRequestError: With the pointer to the first thing that is wrong.
    """
    if not isinstance(given, list) or len(given) > MOST_ASSIGNMENTS:
        raise InvalidRequestError((pointer, f"Give a list of at most {MOST_ASSIGNMENTS} assignments."))
    assignments = tuple(_parse_one(one, f"{pointer}/{n}") for n, one in enumerate(given))
    for n, assignment in enumerate(assignments):
        if assignment in assignments[:n]:
            raise InvalidRequestError((f"{pointer}/{n}", "Give each assignment once."))
    return assignments


def dump_assignments(assignments: Iterable[Assignment]) -> list[dict[str, Any]]:
    """Return assignments as plain JSON; `unit` and `resident_ids` only where they limit something."""
    return [_dump_one(assignment) for assignment in assignments]


def check_kinds(
    kind: UserKind,
    assignments: Iterable[Assignment],
    user_kind_of: Mapping[str, str],
    pointer: str = POINTER,
) -> None:
    """Refuse roles that are not for this kind of user: agency roles for agency users, and the reverse.

    Args:
        kind: The account's kind.
        assignments: What it is to be given.
        user_kind_of: The `user_kind` of each role of the organisation's matrix.
        pointer: Where the assignments stand in the request.

    Raises:
        InvalidRequestError: With every assignment whose role is unknown or of the other kind.
    """
    errors = [
        (f"{pointer}/{n}/role", _refusal(kind, user_kind_of.get(assignment.role)))
        for n, assignment in enumerate(assignments)
        if user_kind_of.get(assignment.role) != kind
    ]
    if errors:
        raise InvalidRequestError(*errors)


def _refusal(kind: UserKind, kind_of_role: str | None) -> str:
    if kind_of_role is None:
        return "There is no such role."
    return f"A user of kind {kind} takes only roles for {kind} users."


def _parse_one(given: Any, pointer: str) -> Assignment:
    if not isinstance(given, dict) or not given.keys() <= _FIELDS:
        raise InvalidRequestError((pointer, "Give an object of role, home_id, unit and resident_ids."))
    assignment = Assignment(
        role=_checked(given.get("role"), _is_word, f"{pointer}/role", "Name a role."),
        home_id=_optional(given.get("home_id"), _is_known_id, f"{pointer}/home_id", "Give a home's id."),
        unit=_optional(given.get("unit"), _is_word, f"{pointer}/unit", "Name a unit of the home."),
        resident_ids=_residents(given.get("resident_ids"), f"{pointer}/resident_ids"),
    )
    if assignment.unit is not None and assignment.home_id is None:
        raise InvalidRequestError((f"{pointer}/unit", "A unit belongs to a home: name the home too."))
    return assignment


def _residents(given: Any, pointer: str) -> tuple[str, ...] | None:
    if given is None:
        return None
    if not isinstance(given, list) or not 0 < len(given) <= MOST_RESIDENTS:
        raise InvalidRequestError((pointer, f"Name 1 to {MOST_RESIDENTS} residents; leave it out for all."))
    for n, one in enumerate(given):
        _checked(one, _is_known_id, f"{pointer}/{n}", "Give a resident's id.")
    return tuple(sorted(set(given)))


def _optional(given: Any, fits: Callable[[Any], bool], pointer: str, rule: str) -> str | None:
    return None if given is None else _checked(given, fits, pointer, rule)


def _checked(given: Any, fits: Callable[[Any], bool], pointer: str, rule: str) -> str:
    if not fits(given):
        raise InvalidRequestError((pointer, rule))
    return str(given)


def _is_word(given: Any) -> bool:
    return (
        isinstance(given, str)
        and 0 < len(given) <= LONGEST_WORD
        and given == given.strip()
        and given.isprintable()
    )


def _is_known_id(given: Any) -> bool:
    return isinstance(given, str) and is_id(given)


def _dump_one(assignment: Assignment) -> dict[str, Any]:
    plain: dict[str, Any] = {"role": assignment.role, "home_id": assignment.home_id}
    if assignment.unit is not None:
        plain["unit"] = assignment.unit
    if assignment.resident_ids is not None:
        plain["resident_ids"] = list(assignment.resident_ids)
    return plain
