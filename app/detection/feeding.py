"""Which windows an entry goes into: the first thing that is done with it."""

from app.detection.event import LISTINGS, Event

PACK = "incident.pack"
EXPORTS = frozenset({"audit.export", "resident.export", PACK})
AMENDMENTS = frozenset({"record.update", "resident.update"})
REMOVALS = frozenset({"record.delete", "resident.delete", "resident.discharge"})
BROKEN = frozenset({"integrity.fail", "chain.recover"})
BACKUPS = frozenset({"backup.create", "backup.drill"})
GIVING = {
    "breakglass.start": "emergency",
    "factor.exempt": "exempted",
    **dict.fromkeys(("user.create", "user.update", "user.reactivate", "user.reset"), "granted"),
    **dict.fromkeys(("role.create", "role.update"), "granted"),
}
ROLE = "role"
"""Stands for whoever holds a role, where the role itself is changed."""
HIDDEN = frozenset({"not-found", "resident-not-found", "user-not-found", "version-not-found"})
GRABS = frozenset({"escalation", "scope-too-wide", "own-assignments"})
WRONG = frozenset({"wrong-password", "otp-wrong", "recovery-code-wrong"})
OFF_SHIFT = frozenset({"off-shift", "shift-over"})
REFUSED = frozenset(
    {
        "action-not-allowed",
        "home-out-of-scope",
        "no-permission",
        "not-for-role",
        "out-of-scope",
        "own-account",
        "unit-out-of-scope",
        *GRABS,
        *HIDDEN,
    }
)
"""Reasons that tell of somebody trying what they may not. A session that slept or ended is none of them."""

Feed = tuple[str, str, str, int]
"""A window, its subject, the key of the item and its weight."""


def windows_of(event: Event) -> list[Feed]:
    """Return the windows an entry goes into."""
    fed: list[Feed] = []
    if event.act in BROKEN:
        fed.append(("broken", event.chain, event.act, 1))
    if event.out != "ok":
        return fed + _refused(event)
    if event.act in GIVING and _gives(event):
        given_to = ROLE if event.act.startswith("role.") else str(event.object_id)
        fed.append((GIVING[event.act], event.actor, given_to, 1))
    if event.act == "user.deactivate" or (event.act == "user.update" and "assignments" in event.fields):
        fed.append(("unseated", event.actor, str(event.object_id), 1))
    if event.person is not None:
        fed += _of_person(event, event.person)
    if event.act in ("record.create", "record.update"):
        fed += [("written", resident, str(event.object_id), 1) for resident in event.residents]
    return fed


def _gives(event: Event) -> bool:
    """Say whether an entry gives rights: roles made with an organisation, and names changed, give none."""
    if event.act == "user.update":
        return "assignments" in event.fields
    return event.person is not None or event.act != "role.create"


def _of_person(event: Event, person: str) -> list[Feed]:
    fed: list[Feed] = []
    if event.opens:
        fed += [(name, person, one, 1) for one in event.residents for name in _OPENED]
    elif event.act in LISTINGS:
        fed += [("listed", person, one, 1) for one in event.residents]
    elif (name := _CHANGES.get(event.act)) is not None:
        fed.append((name, person, _copy(event) if name == "exported" else str(event.object_id), 1))
    elif event.act == "auth.login" and event.source is not None:
        fed.append(("came", event.source, person, 1))
    if event.session is not None and event.residents:
        fed.append(("used", person, _where(event), 1))
    return fed


_OPENED = ("opened", "cared", "duty")
_CHANGES = {
    **dict.fromkeys(AMENDMENTS, "amended"),
    **dict.fromkeys(REMOVALS, "removed"),
    **dict.fromkeys(EXPORTS, "exported"),
}


def _copy(event: Event) -> str:
    """Return what is counted as one copy: all formats of an incident's pack together, any other each time."""
    return str(event.object_id) if event.act == PACK else f"#{event.seq}"


def _where(event: Event) -> str:
    """Return what tells two places of use apart: the session, and the device if it has a name."""
    return f"{event.session} {event.device or ''}"


def _refused(event: Event) -> list[Feed]:
    source, person = event.source or "", event.person
    if event.act == "auth.throttled":
        return _slowed_down(event)
    if event.act in BACKUPS:
        return [("failed_backup", event.chain, event.act, 1)]
    if event.why == "unknown-name":
        return [("guessed", source, "", 1)]
    return _of_refused(event, person, source) if person is not None else []


def _of_refused(event: Event, person: str, source: str) -> list[Feed]:
    about, fed = event.object_id or event.act, list[Feed]()
    if event.why in WRONG:
        fed = [("failed", person, event.act, 1), ("sprayed", source, person, 1)]
    elif event.why == "inactive":
        fed = [("inactive", person, source, 1)]
    elif event.why in OFF_SHIFT and (event.act == "auth.login" or event.residents):
        fed = [("off_shift", person, about, 1)]
    elif event.why in REFUSED:
        fed = [("refused", person, about, 1)]
    if event.why in GRABS:
        fed.append(("grabbed", person, about, 1))
    return fed


def _slowed_down(event: Event) -> list[Feed]:
    """An entry of the throttle tells of many attempts at once: for an account, or from a source."""
    if event.object_id is not None:
        return [("failed", event.object_id, event.act, event.count)]
    return [("guessed", event.source or "", "", event.count)] if event.source else []
