"""What one audited operation needs: a row of the table in `access.operations`."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from app.access.categories import CATEGORIES, OWN_AMENDMENT_CATEGORIES
from app.access.policy import NOTHING_NEEDED, Alternatives, need, one_of

Scope = Literal["self", "home", "organisation"]


@dataclass(frozen=True)
class Operation:
    """One row of the table.

    `asleep`: a locked or idle session may call it. `unready`: a session whose user has not yet
    chosen a password or enrolled a second factor may call it.
    """

    method: str
    path: str
    permission: str
    scope: Scope
    act: str
    success: int
    if_match: bool = False
    idempotent: bool = False
    asleep: bool = False
    unready: bool = False

    @cached_property
    def anywhere(self) -> Alternatives:
        """Return what must be held somewhere, before anything about the request is known."""
        return _alternatives(self.permission)

    @cached_property
    def route(self) -> str:
        """Return the name an idempotency key is bound to."""
        return f"{self.method} {self.path}"


def _alternatives(permission: str) -> Alternatives:
    special: dict[str, Alternatives] = {
        "none": NOTHING_NEEDED,
        "session": NOTHING_NEEDED,
        "locked or idle session": NOTHING_NEEDED,
        "any readable category": one_of(f"{c}:read" for c in CATEGORIES),
        "<category>:read": one_of(f"{c}:read" for c in CATEGORIES),
        "<category>:create": one_of(f"{c}:create" for c in CATEGORIES),
        "<category>:delete": one_of(f"{c}:delete" for c in CATEGORIES),
        "<category>:update or own amendment": one_of(
            [f"{c}:update" for c in CATEGORIES] + [f"{c}:create" for c in OWN_AMENDMENT_CATEGORIES]
        ),
        "identity:update (identifiers:update for identifiers)": one_of(
            ["identity:update", "identifiers:update"]
        ),
    }
    if permission in special:
        return special[permission]
    return tuple(a for part in permission.split(" or ") for a in need(*part.split(" and ")))


def listed(*rows: Operation) -> dict[str, Operation]:
    """Return rows by method and path."""
    return {f"{row.method} {row.path}": row for row in rows}
