"""Every audited operation: what it needs, and the act of its one entry.

The routes take their method, path, permission and act from here, the door takes the first step of
the decision from here, and a test holds the table against the contract's `operations.json`.
"""

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


def _list(*rows: Operation) -> dict[str, Operation]:
    return {f"{row.method} {row.path}": row for row in rows}


OPERATIONS: dict[str, Operation] = _list(
    Operation("POST", "/v1/sessions", "none", "self", "auth.login", 201, unready=True),
    Operation("GET", "/v1/sessions/current", "session", "self", "auth.session", 200, unready=True),
    Operation(
        "DELETE", "/v1/sessions/current", "session", "self", "auth.logout", 204, asleep=True, unready=True
    ),
    Operation("POST", "/v1/sessions/current/lock", "session", "self", "auth.lock", 204, unready=True),
    Operation(
        "POST",
        "/v1/sessions/current/unlock",
        "locked or idle session",
        "self",
        "auth.unlock",
        200,
        asleep=True,
        unready=True,
    ),
    Operation("GET", "/v1/sessions", "sessions:end", "home", "auth.sessions", 200),
    Operation(
        "DELETE", "/v1/sessions/{session_id}", "sessions:end", "home", "auth.end", 204, idempotent=True
    ),
    Operation("GET", "/v1/users/me", "session", "self", "user.read", 200, unready=True),
    Operation("PUT", "/v1/users/me/password", "session", "self", "user.password", 204, unready=True),
    Operation("POST", "/v1/users/me/totp", "session", "self", "user.totp_offer", 200, unready=True),
    Operation("POST", "/v1/users/me/totp/confirm", "session", "self", "user.totp_confirm", 200, unready=True),
    Operation(
        "POST", "/v1/users", "users:manage or agency:admit", "home", "user.create", 201, idempotent=True
    ),
    Operation("GET", "/v1/users", "users:manage or shifts:manage", "home", "user.list", 200),
    Operation("GET", "/v1/users/{user_id}", "users:manage or shifts:manage", "home", "user.read", 200),
    Operation(
        "PATCH",
        "/v1/users/{user_id}",
        "users:manage",
        "home",
        "user.update",
        200,
        if_match=True,
        idempotent=True,
    ),
    Operation(
        "POST",
        "/v1/users/{user_id}/deactivate",
        "users:manage",
        "home",
        "user.deactivate",
        200,
        idempotent=True,
    ),
    Operation(
        "POST",
        "/v1/users/{user_id}/reactivate",
        "users:manage",
        "home",
        "user.reactivate",
        200,
        idempotent=True,
    ),
    Operation(
        "POST", "/v1/users/{user_id}/shifts", "shifts:manage", "home", "shift.create", 201, idempotent=True
    ),
    Operation("GET", "/v1/users/{user_id}/shifts", "shifts:manage", "home", "shift.list", 200),
    Operation(
        "DELETE",
        "/v1/users/{user_id}/shifts/{shift_id}",
        "shifts:manage",
        "home",
        "shift.cancel",
        204,
        idempotent=True,
    ),
    Operation("GET", "/v1/roles", "session", "self", "role.list", 200),
    Operation("GET", "/v1/homes", "session", "home", "home.list", 200),
    Operation("POST", "/v1/homes", "homes:manage", "organisation", "home.create", 201, idempotent=True),
    Operation(
        "POST",
        "/v1/residents",
        "identity:create and identifiers:create",
        "home",
        "resident.create",
        201,
        idempotent=True,
    ),
    Operation("GET", "/v1/residents", "identity:read", "home", "resident.list", 200),
    Operation(
        "POST", "/v1/residents/search", "identity:read and identifiers:read", "home", "resident.search", 200
    ),
    Operation("GET", "/v1/residents/{resident_id}", "identity:read", "home", "resident.read", 200),
    Operation(
        "PATCH",
        "/v1/residents/{resident_id}",
        "identity:update (identifiers:update for identifiers)",
        "home",
        "resident.update",
        200,
        if_match=True,
        idempotent=True,
    ),
    Operation(
        "DELETE",
        "/v1/residents/{resident_id}",
        "identity:delete",
        "home",
        "resident.delete",
        204,
        if_match=True,
        idempotent=True,
    ),
    Operation(
        "POST",
        "/v1/residents/{resident_id}/discharge",
        "residents:discharge",
        "home",
        "resident.discharge",
        200,
        idempotent=True,
    ),
    Operation(
        "POST",
        "/v1/residents/{resident_id}/records",
        "<category>:create",
        "home",
        "record.create",
        201,
        idempotent=True,
    ),
    Operation(
        "GET", "/v1/residents/{resident_id}/records", "any readable category", "home", "record.list", 200
    ),
    Operation(
        "GET",
        "/v1/residents/{resident_id}/records/{record_id}",
        "<category>:read",
        "home",
        "record.read",
        200,
    ),
    Operation(
        "PUT",
        "/v1/residents/{resident_id}/records/{record_id}",
        "<category>:update or own amendment",
        "home",
        "record.update",
        200,
        if_match=True,
        idempotent=True,
    ),
    Operation(
        "DELETE",
        "/v1/residents/{resident_id}/records/{record_id}",
        "<category>:delete",
        "home",
        "record.delete",
        204,
        if_match=True,
        idempotent=True,
    ),
    Operation(
        "GET",
        "/v1/residents/{resident_id}/records/{record_id}/versions",
        "<category>:read",
        "home",
        "record.versions",
        200,
    ),
    Operation(
        "GET",
        "/v1/residents/{resident_id}/records/{record_id}/versions/{version}",
        "<category>:read",
        "home",
        "record.versions",
        200,
    ),
    Operation("GET", "/v1/residents/{resident_id}/access-log", "audit:read", "home", "audit.access_log", 200),
    Operation("GET", "/v1/audit/events", "audit:read", "home", "audit.read", 200),
    Operation("GET", "/v1/audit/events/{seq}", "audit:read", "home", "audit.read", 200),
    Operation("GET", "/v1/audit/events/{seq}/proof", "audit:read", "home", "audit.proof", 200),
    Operation("GET", "/v1/audit/checkpoint", "audit:read", "organisation", "audit.checkpoint", 200),
    Operation("GET", "/v1/audit/consistency", "audit:read", "organisation", "audit.consistency", 200),
    Operation("GET", "/v1/audit/export", "audit:export", "organisation", "audit.export", 200),
    Operation("POST", "/v1/audit/subject-lookup", "audit:read", "home", "audit.subject_lookup", 200),
    Operation("GET", "/v1/fhir/AuditEvent", "audit:read", "home", "audit.read", 200),
    Operation(
        "POST",
        "/v1/residents/{resident_id}/erasure",
        "residents:erase",
        "organisation",
        "resident.erase_request",
        201,
        idempotent=True,
    ),
    Operation(
        "POST",
        "/v1/erasures/{erasure_id}/approve",
        "residents:erase",
        "organisation",
        "resident.erase",
        200,
        idempotent=True,
    ),
    Operation("POST", "/v1/sessions/current/step-up", "session", "self", "auth.step_up", 200, unready=True),
    Operation(
        "PATCH",
        "/v1/users/{user_id}/shifts/{shift_id}",
        "shifts:manage",
        "home",
        "shift.update",
        200,
        idempotent=True,
    ),
)

UNMATCHED = Operation("*", "*", "session", "self", "request.unmatched", 404, unready=True)
"""An unknown path or a wrong method, tried by a known session."""


def operation(method: str, path: str) -> Operation:
    """Return the row of a method and path template. A KeyError here is a route without a policy."""
    return OPERATIONS[f"{method} {path}"]
