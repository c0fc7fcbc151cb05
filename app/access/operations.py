"""Every audited operation: what it needs, and the act of its one entry.

The routes take their method, path, permission and act from here, the door takes the first step of
the decision from here, and a test holds the table against the contract's `operations.json` and what was
added to it.
"""

from app.access.operation import Operation, listed
from app.access.operations_of_watching import OF_WATCHING

_OF_THE_CONTRACT: dict[str, Operation] = listed(
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

OPERATIONS: dict[str, Operation] = _OF_THE_CONTRACT | OF_WATCHING

UNMATCHED = Operation("*", "*", "session", "self", "request.unmatched", 404, unready=True)
"""An unknown path or a wrong method, tried by a known session."""


def operation(method: str, path: str) -> Operation:
    """Return the row of a method and path template. A KeyError here is a route without a policy."""
    return OPERATIONS[f"{method} {path}"]
