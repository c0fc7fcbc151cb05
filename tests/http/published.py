"""The contract as published, and its rule for 403 and 404. Nothing here comes from the code under test.

`holds` reads `permissions.json`, `status_of` is the contract's order: nowhere, not visible, not allowed.
"""

import json
from pathlib import Path
from typing import Any, Literal, NamedTuple

CONTRACT = Path(__file__).parents[1] / "contract"
PERMISSIONS: dict[str, Any] = json.loads((CONTRACT / "permissions.json").read_text())
OPERATIONS: dict[str, dict[str, Any]] = {
    f"{row['method']} {row['path']}": row
    for published in ("operations.json", "additions.json")
    for row in json.loads((CONTRACT / published).read_text())["operations"]
}
"""The contract's, and what this service adds to them."""

ROLES: tuple[str, ...] = tuple(PERMISSIONS["roles"])
STAFF_ROLES = tuple(r for r in ROLES if PERMISSIONS["roles"][r]["user_kind"] == "staff")
OF_THE_RESIDENT = ("identity", "identifiers")
CATEGORIES: tuple[str, ...] = tuple(c for c in PERMISSIONS["categories"] if c not in OF_THE_RESIDENT)
"""What a record can be."""
OWN_AMENDMENT: tuple[str, ...] = tuple(PERMISSIONS["own_amendment"]["categories"])

Place = Literal["own", "other", "foreign"]
PLACES: tuple[Place, ...] = ("own", "other", "foreign")
"""The caller's home, another home of the organisation, a home of another organisation."""

NOT_BUILT_YET = frozenset(
    {
        "PUT /v1/roles/{role}",
        "DELETE /v1/roles/{role}",
        "POST /v1/emergency-access",
        "POST /v1/oauth/token",
    }
)
STREAMS = frozenset({"GET /v1/audit/export", "GET /v1/alerts/stream", "GET /v1/incidents/{incident_id}/pack"})


class Caller(NamedTuple):
    """Somebody with one role, at their home or, `wide`, in the whole organisation."""

    role: str
    wide: bool = False

    def holds(self, *permissions: str) -> bool:
        """Say whether the published matrix gives all of these to the role."""
        return all(map(self._holds, permissions))

    def _holds(self, permission: str) -> bool:
        row = PERMISSIONS["roles"][self.role]
        if permission in row["system"]:
            return self.wide or permission not in PERMISSIONS["organisation_wide_only"]
        category, _, action = permission.partition(":")
        return action in row["records"].get(category, ())

    def holds_any(self, action: str, categories: tuple[str, ...] = CATEGORIES) -> bool:
        """Say whether the role may do this to records of any category."""
        return any(self.holds(f"{category}:{action}") for category in categories)

    def reaches(self, place: Place) -> bool:
        """Say whether a place is in the caller's scope."""
        return place == "own" or (place == "other" and self.wide)


CALLERS = (*(Caller(role) for role in ROLES), *(Caller(role, wide=True) for role in STAFF_ROLES))
"""Each role at one home, and each that staff may hold in the whole organisation as well: 27."""


def status_of(success: int, *, somewhere: bool, visible: bool, allowed: bool) -> int:
    """Return the status by the contract's order: 403 nowhere, 404 not visible, 403 not allowed."""
    if not somewhere:
        return 403
    if not visible:
        return 404
    return success if allowed else 403


def outcome_of(status: int, place: Place) -> str:
    """Return the `out` of an entry: a 404 that hides a refusal is `deny`, for what is not there `fail`.

    To an organisation what another one holds is truly not there: nothing of it is ever looked at.
    """
    if status < 300:
        return "ok"
    return "fail" if status == 404 and place == "foreign" else "deny"


SELF = tuple(name for name, row in OPERATIONS.items() if row["scope"] == "self")
"""Operations on one's own session and account: no place comes into it."""
WITHOUT_PLACE = frozenset(
    {
        "GET /v1/users",
        "GET /v1/homes",
        "POST /v1/homes",
        "POST /v1/residents/search",
        "GET /v1/audit/events",
        "GET /v1/audit/checkpoint",
        "GET /v1/audit/consistency",
        "GET /v1/audit/export",
        "POST /v1/audit/subject-lookup",
        "GET /v1/fhir/AuditEvent",
        "GET /v1/alerts/stream",
        "GET /v1/incident-grid",
        "GET /v1/alert-rules",
        "PUT /v1/alert-rules/{rule}",
        "POST /v1/webhooks",
        "GET /v1/webhooks",
    }
)
"""Operations that name no place: they succeed, and show what is in scope."""
NOTE = "daily_note"
"""The category of the record that operations on one record are tried with."""
COLLEAGUES = ("users:manage", "shifts:manage")
"""Each of these lets a colleague be seen."""


def permitted(operation: str, caller: Caller, place: Place) -> int:
    """Return the status of an operation at a place, for a request that is valid."""
    row = OPERATIONS[operation]
    success: int = row["success"]
    if operation == "POST /v1/users":
        return _creates_user(caller, place)
    if row["scope"] == "organisation" and not caller.wide:
        return 403
    somewhere, visible, allowed = _held(row["permission"], caller), True, True
    if "{record_id}" in row["path"] or row["permission"] == "<category>:create":
        somewhere, visible, allowed = _about_record(row["permission"], caller)
    elif "{user_id}" in row["path"] or operation.endswith("/v1/sessions"):
        visible = any(caller.holds(p) for p in COLLEAGUES) or somewhere
    if operation not in WITHOUT_PLACE:
        visible = visible and caller.reaches(place)
    return status_of(success, somewhere=somewhere, visible=visible, allowed=allowed)


def _held(permission: str, caller: Caller) -> bool:
    """Say whether what an operation needs is held somewhere."""
    if permission in ("session", "none", "locked or idle session"):
        return True
    if permission == "any readable category":
        return caller.holds_any("read")
    if permission.startswith("identity:update"):
        return caller.holds("identity:update")
    return any(caller.holds(*part.split(" and ")) for part in permission.split(" or "))


def _about_record(permission: str, caller: Caller) -> tuple[bool, bool, bool]:
    """Return for a note of somebody else's: held somewhere, visible, allowed."""
    action = permission.removeprefix("<category>:").split(" ")[0]
    held = caller.holds(f"{NOTE}:{action}")
    if action == "create":
        return held, True, True
    amends = action == "update" and caller.holds_any("create", OWN_AMENDMENT)
    return caller.holds_any(action) or amends, caller.holds(f"{NOTE}:read"), held


def _creates_user(caller: Caller, place: Place) -> int:
    """Return what comes of the account a role may create: nobody gives more, or wider, than they hold."""
    if not caller.holds("users:manage") and not caller.holds("agency:admit"):
        return 403
    if caller.role == "it_admin":
        return 201  # an account without assignments belongs to no home
    if place == "foreign":
        return 422  # the organisation has no such home
    return 201 if caller.reaches(place) else 403
