"""The cells of the matrix as requests: who asks what of whose record, and what must come of it.

What is expected is the contract's order, written out for each kind of request (`record_statuses`,
`resident_statuses`): 403 when held nowhere, 404 when not visible, 403 when visible and not allowed.
"""

from typing import NamedTuple

from tests.http.bodies import admission, body_of, record_of
from tests.http.published import OWN_AMENDMENT, Caller, Place, status_of
from tests.http.stage import Stage
from tests.support.served import Ask

RESIDENTS = "/v1/residents"
RESIDENT = "/v1/residents/{resident_id}"
RECORDS = "/v1/residents/{resident_id}/records"
RECORD = "/v1/residents/{resident_id}/records/{record_id}"
ABOUT = "contacts"
"""What every document of the matrix is about."""

Cell = tuple[Caller, str, str, Place]
"""Caller, category, action, place."""


class Step(NamedTuple):
    """One request.

    Attributes:
        cell: What it is a test of.
        operation: The row of `operations.json`.
        ask: The request.
        status: What must come of it.
        shows: The canary a successful answer must show; none: it need not show any.
        object: Type and id the entry must name; the id of what is made is known only afterwards.
        subject: The resident the entry must name.
    """

    cell: Cell
    operation: str
    ask: Ask
    status: int
    shows: str
    object: tuple[str, str | None]
    subject: str | None


def needed(category: str, action: str) -> tuple[str, ...]:
    """Return what an action takes: of a document also on what it is about."""
    both = (category, ABOUT) if category == "document" else (category,)
    return tuple(f"{c}:{action}" for c in both)


def record_statuses(caller: Caller, place: Place, category: str) -> dict[str, int]:
    """Return what must come of each request on somebody else's record."""
    reached = caller.reaches(place)
    readable = reached and caller.holds(*needed(category, "read"))
    may = {action: caller.holds(*needed(category, action)) for action in ("create", "update", "delete")}
    amends = caller.holds_any("update") or caller.holds_any("create", OWN_AMENDMENT)
    return {
        # a record's id does not tell its category: any will do for the first question
        "read": status_of(200, somewhere=caller.holds_any("read"), visible=readable, allowed=True),
        "update": status_of(200, somewhere=amends, visible=readable, allowed=may["update"]),
        "delete": status_of(
            204, somewhere=caller.holds_any("delete"), visible=readable, allowed=may["delete"]
        ),
        # these two name it
        "list": status_of(200, somewhere=caller.holds(f"{category}:read"), visible=reached, allowed=True),
        "create": status_of(201, somewhere=may["create"], visible=reached, allowed=True),
    }


def record_steps(stage: Stage, caller: Caller, place: Place, category: str) -> list[Step]:
    """Return the requests of one category, in an order in which none spoils the next."""
    target, who = stage.targets[caller, place], stage.people[caller]
    record, canary = target.records[category], target.canaries[category]
    listed = f"{RESIDENTS}/{target.resident}/records"
    one = f"{listed}/{record}"
    status = record_statuses(caller, place, category)
    body = body_of(category, f"{canary}-amended", medication_id=target.medication, about=ABOUT)
    amendment = {"occurred_at": "2026-03-02T08:30:00Z", "body": body, "amendment_reason": "it was wrong"}
    another = record_of(category, f"{canary}-another", medication_id=target.medication, about=ABOUT)
    removal = {"If-Match": '"2"' if status["update"] == 200 else '"1"', "Audit-Reason": "wrong%20person"}
    whose = target.resident if place != "foreign" else None
    in_list = canary if status["read"] == 200 else ""
    asks = {
        "read": (f"GET {RECORD}", Ask("GET", one, who), canary, record),
        "list": (f"GET {RECORDS}", Ask("GET", listed, who, params={"category": category}), in_list, None),
        "create": (f"POST {RECORDS}", Ask("POST", listed, who, another), "", None),
        "update": (f"PUT {RECORD}", Ask("PUT", one, who, amendment, {"If-Match": '"1"'}), "", record),
        "delete": (f"DELETE {RECORD}", Ask("DELETE", one, who, headers=removal), "", record),
    }
    return [
        Step(
            (caller, category, "read" if request == "list" else request, place),
            operation,
            ask,
            status[request],
            shows,
            ("resident", target.resident) if request == "list" else ("record", named),
            whose,
        )
        for request, (operation, ask, shows, named) in asks.items()
    ]


def resident_statuses(caller: Caller, place: Place) -> dict[tuple[str, str], int]:
    """Return what must come of each request on a resident's own categories."""
    reached = caller.reaches(place)
    visible = reached and caller.holds("identity:read")
    searches = caller.holds("identity:read", "identifiers:read")
    admits = caller.holds("identity:create", "identifiers:create")

    def one(success: int, permission: str) -> int:
        held = caller.holds(permission)
        return status_of(success, somewhere=held, visible=visible, allowed=held)

    return {
        ("identity", "read"): one(200, "identity:read"),
        ("identifiers", "read"): status_of(200, somewhere=searches, visible=True, allowed=True),
        ("identity", "create"): status_of(201, somewhere=admits, visible=reached, allowed=True),
        ("identifiers", "create"): status_of(201, somewhere=admits, visible=reached, allowed=True),
        ("identity", "update"): one(200, "identity:update"),
        ("identifiers", "update"): one(200, "identifiers:update"),
        ("identity", "delete"): one(204, "identity:delete"),
    }


def resident_steps(stage: Stage, caller: Caller, place: Place) -> list[Step]:
    """Return the requests on a resident's own categories; removing the resident comes last."""
    target, who, home = stage.targets[caller, place], stage.people[caller], stage.homes[place]
    canary, path = target.canaries["identity"], f"{RESIDENTS}/{target.resident}"
    status = resident_statuses(caller, place)
    changed = sum(status[category, "update"] == 200 for category in ("identity", "identifiers"))
    removal = {"If-Match": f'"{changed + 1}"', "Audit-Reason": "entered%20twice"}
    whose = target.resident if place != "foreign" else None
    found = caller.reaches(place) and caller.holds("identity:read", "identifiers:read")
    named, nobody = ("resident", target.resident), ("resident", None)

    def patch(part: str, field: str, value: str, was: int) -> Ask:
        return Ask("PATCH", path, who, {part: {field: value}}, {"If-Match": f'"{was}"'})

    def admit(category: str) -> Ask:
        return Ask("POST", RESIDENTS, who, admission(home, f"{canary}-{category}"))

    search = Ask("POST", f"{RESIDENTS}/search", who, {"family_name": canary})
    asks: dict[tuple[str, str], tuple[str, Ask, str, tuple[str, str | None], str | None]] = {
        ("identity", "read"): (f"GET {RESIDENT}", Ask("GET", path, who), canary, named, whose),
        ("identifiers", "read"): (
            f"POST {RESIDENTS}/search",
            search,
            canary if found else "",
            ("", None),
            target.resident if found else None,
        ),
        ("identity", "create"): (f"POST {RESIDENTS}", admit("a"), "", nobody, None),
        ("identifiers", "create"): (f"POST {RESIDENTS}", admit("b"), "", nobody, None),
        ("identity", "update"): (
            f"PATCH {RESIDENT}",
            patch("identity", "preferred_name", "Ada", 1),
            "",
            named,
            whose,
        ),
        ("identifiers", "update"): (
            f"PATCH {RESIDENT}",
            patch("identifiers", "date_of_birth", "1941-05-06", max(changed, 1)),
            "",
            named,
            whose,
        ),
        ("identity", "delete"): (
            f"DELETE {RESIDENT}",
            Ask("DELETE", path, who, headers=removal),
            "",
            named,
            whose,
        ),
    }
    return [
        Step((caller, *cell, place), operation, ask, status[cell], shows, about, subject)
        for cell, (operation, ask, shows, about, subject) in asks.items()
    ]
