"""The fields of a notification, filled in as far as the trail and people have said. Pure; nothing is made up.

Each field has a value, where it is from, and a remark. What nobody said and the trail does not tell is
`not known`; that is an answer, and the ICO takes the rest in phases.

Source: UK GDPR article 33(3) to (5); the fields of the DSPT's reporting tool as `DSPT_BASIS` says.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from app.core.clock import parse
from app.core.local_time import day_of
from app.incidents.alerted import RAISED, from_an_alert
from app.incidents.deeds import HANDED_OVER, in_words

JsonObject = dict[str, Any]
TRAIL, PERSON, UNKNOWN = "from the trail", "entered by a person", "not known"
DRAFT: Final = "Draft for a person to check. Not a statement of compliance."
ARTICLE_33_BASIS: Final = "UK GDPR article 33(1), 33(3)(a) to (d) and 33(5)"
DSPT_BASIS: Final = (
    "The fields of NHS England's Guide to the Notification of Data Security and Protection Incidents, from"
    " memory and not compared with the tool: check them against it before you copy anything"
)
_NOT_COUNTED: Final = "Nobody has said yet which entries of the trail this is about (PUT .../scope)."
_COUNTED: Final = "Counted from entries of the trail; see what is not known."


def field(name: str, asked: str, value: Any, source: str, remark: str = "") -> JsonObject:
    """Return one field. A value nobody gave is not known, whatever it should have come from."""
    given = value not in (None, "", [], "unknown")
    return {
        "field": name,
        "asked": asked,
        "value": value if given else None,
        "source": source if given else UNKNOWN,
        "remark": remark,
    }


def article_33(incident: JsonObject, scope: JsonObject | None, shut: Sequence[JsonObject]) -> JsonObject:
    """Return the fields of article 33, by its letters."""

    def said(name: str, asked: str, key: str) -> JsonObject:
        return field(name, asked, incident.get(key), PERSON)

    return {
        "basis": ARTICLE_33_BASIS,
        "draft": DRAFT,
        "fields": [
            said("33(3)(a) nature", "What happened", "what_happened"),
            *_people(incident, scope),
            *_records(incident, scope),
            said("33(3)(b) contact", "Name and contact of the data protection officer or other", "contact"),
            said("33(3)(c) consequences", "Likely consequences", "consequences"),
            _likelihood(incident),
            said("33(3)(d) measures", "Measures taken or proposed, and to lessen effects", "measures"),
            field("33(3)(d) actions", "What is to be done, and what is done", _actions(incident), PERSON),
            field("33(3)(d) shut", "What was shut in this system", _shut(shut), TRAIL),
            _delay(incident),
            said("33(5) root cause", "Kept on file: what caused it", "root_cause"),
        ],
    }


def dspt_report(incident: JsonObject, scope: JsonObject | None, shut: Sequence[JsonObject]) -> JsonObject:
    """Return the fields of the DSPT's reporting tool."""
    rows: tuple[tuple[str, str], ...] = (
        ("local_reference", "Local reference"),
        ("kind", "What kind of incident"),
        ("what_happened", "What happened"),
        ("how_found", "How it was found"),
        ("occurred_at", "When it occurred"),
        ("ended_at", "When it was over"),
        ("detected_at", "When it was noticed"),
        ("became_aware_at", "When you became aware that it is a breach"),
        ("ongoing", "Still going on?"),
        ("system_fault", "Caused by a network or system problem?"),
        ("confidentiality", "Confidentiality touched?"),
        ("integrity", "Integrity touched?"),
        ("availability", "Availability touched?"),
    )
    told = _standing(incident)
    return {
        "basis": DSPT_BASIS,
        "draft": DRAFT,
        "fields": [
            *(_entered(incident, name, asked) for name, asked in rows),
            *_people(incident, scope),
            *_records(incident, scope),
            _told_people(told),
            _likelihood(incident),
            field("clinical_harm", "Potential clinical harm", incident.get("clinical_harm"), PERSON),
            field("police", "Police informed?", _told_at(told, "police"), PERSON),
            field("actions", "Actions taken and planned", _actions(incident), PERSON),
            field("shut", "What was shut in this system", _shut(shut), TRAIL),
            field("contact", "Contact", incident.get("contact"), PERSON),
            field("lessons", "Lessons learned", incident.get("lessons"), PERSON),
        ],
    }


def _entered(incident: JsonObject, name: str, asked: str) -> JsonObject:
    """Return a field of the incident: a person's word, or what an alert knew before anybody said it."""
    if not from_an_alert(incident, name):
        return field(name, asked, incident.get(name), PERSON)
    return field(name, asked, incident[name], TRAIL, RAISED if name == "detected_at" else "")


def _people(incident: JsonObject, scope: JsonObject | None) -> list[JsonObject]:
    found = scope["residents_affected"] if scope is not None else None
    counted, entered = (
        "33(3)(a) people counted",
        "33(3)(a) people entered",
    )
    return [
        field("33(3)(a) categories of people", "Whose data", ["residents"] if found else None, TRAIL),
        field(
            counted,
            "Residents whose data was read, changed or exported",
            found,
            TRAIL,
            _COUNTED if scope is not None else _NOT_COUNTED,
        ),
        field(entered, "Approximate number of people, as a person puts it", _number(incident), PERSON),
    ]


def _number(incident: JsonObject) -> int | None:
    found: int | None = incident.get("people_affected")
    return found


def _records(incident: JsonObject, scope: JsonObject | None) -> list[JsonObject]:
    reached, opened, shown = None, None, None
    if scope is not None:
        reached = [
            in_words(c) for c, deeds in scope["categories"].items() if any(deeds[d] for d in HANDED_OVER)
        ]
        opened, shown = records_opened(scope), scope["records"]["disclosed_with_repeats"]
    entered = [in_words(one) for one in incident.get("categories") or ()]
    remark = _COUNTED if scope is not None else _NOT_COUNTED
    return [
        field("33(3)(a) categories of data counted", "Which data was reached", reached, TRAIL, remark),
        field("33(3)(a) categories of data entered", "Which data, as a person puts it", entered, PERSON),
        field(
            "33(3)(a) records opened", "Different records opened or changed one by one", opened, TRAIL, remark
        ),
        field(
            "33(3)(a) records shown", "Records shown, each time counted, lists included", shown, TRAIL, remark
        ),
    ]


def records_opened(scope: Mapping[str, Any]) -> int | str:
    """Return how many different records were opened, in words where they were not counted to the end."""
    records = scope["records"]
    counted: int = records["opened_one_by_one"]
    return f"at least {counted}" if records["at_least"] else counted


def _likelihood(incident: JsonObject) -> JsonObject:
    name, asked = "assessment", "Likelihood and impact on the grid, and what was decided"
    assessed = incident.get("assessments") or []
    if not assessed:
        return field(name, asked, None, PERSON, "Not assessed yet.")
    last = assessed[-1]
    scored = f"likelihood {last['counted']['likelihood']}, impact {last['counted']['impact']}"
    if last["decision"] is None:
        value = f"{scored}: not decided yet (proposed: {last['proposal']})"
        return field(name, asked, value, PERSON, "The grid itself is not verified.")
    value = f"{scored}: {last['decision']}"
    return field(name, asked, value, PERSON, "The grid itself is not verified; a person decided.")


def _actions(incident: JsonObject) -> list[str]:
    return [f"{one['what']} ({_when_done(one['done_at'])})" for one in incident.get("actions") or ()]


def _when_done(at: str | None) -> str:
    return "open" if at is None else f"done {day_of(parse(at))}"


def _shut(shut: Sequence[JsonObject]) -> list[str]:
    return [_act_of(one) for one in shut]


def _act_of(one: Mapping[str, Any]) -> str:
    done = [_DONE[act] for act in one["done"]]
    if one["freeze_exports"] != "none":
        done.append(f"exports frozen for {_FOR[one['freeze_exports']]}")
    done = done or ["nothing was left to shut"]
    lifted = f", lifted {one['lifted_at']}" if one["lifted_at"] else ""
    people = f" (accounts: {len(one['user_ids'])})" if one["user_ids"] else ""
    return f"{one['made_at']}: {', '.join(done)}{people}{lifted}"


_DONE = {"end_sessions": "sessions ended", "deactivate": "accounts deactivated"}
_FOR = {"users": "these people", "organisation": "everybody"}


def _standing(incident: JsonObject) -> list[JsonObject]:
    return [one for one in incident.get("notifications") or () if one["replaced_by"] is None]


def _told_at(told: Sequence[JsonObject], recipient: str) -> str | None:
    return next((str(one["told_at"]) for one in told if one["recipient"] == recipient), None)


def _told_people(told: Sequence[JsonObject]) -> JsonObject:
    at = _told_at(told, "people_affected")
    return field("people_told", "Have the people been told?", at, PERSON)


_DELAYED = ("told_late", "over", "running")
"""How the clock stands where reasons for a delay are to be told; an earlier correction may have left some."""


def _delay(incident: JsonObject) -> JsonObject:
    asked = "If the ICO is told after 72 hours: the reasons for the delay"
    told = [one for one in _standing(incident) if one["recipient"] in ("ico", "dspt")]
    given = next((one["reasons_for_delay"] for one in told if one["reasons_for_delay"]), None)
    clock = (incident.get("clocks") or {}).get("72h")
    if clock is None or (given is not None and clock["state"] in _DELAYED):
        return field("33(1) reasons for delay", asked, given, PERSON)
    remarks = {
        "running": f"Not told yet. Due at {clock['due_at']}.",
        "over": f"Not told yet, and the 72 hours were over at {clock['due_at']}: reasons are wanted.",
        "told": "Told within 72 hours: none are wanted.",
        "told_late": f"Told after {clock['due_at']}, and no reasons are written down.",
        "not_needed": "A person decided that the ICO need not be told.",
    }
    return field("33(1) reasons for delay", asked, None, PERSON, remarks[clock["state"]])
