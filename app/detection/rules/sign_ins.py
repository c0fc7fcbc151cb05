"""Signing in: guessing, spraying, two places at once, accounts that should be still."""

from itertools import pairwise

from app.detection.event import Event
from app.detection.facts import Facts
from app.detection.feeding import WRONG
from app.detection.finding import Finding
from app.detection.rule import Setting
from app.detection.rules.telling import tell
from app.detection.state import State
from app.detection.windows import MINUTE, Recent

DAY = 86400.0
_JUST_NOW = 15 * MINUTE


def failed_sign_ins(state: State, event: Event, _facts: Facts, setting: Setting) -> Finding | None:
    """Tell of an account with many wrong passwords or codes, or of a success right after some."""
    account = _account_tried(event)
    if account is None:
        return None
    failed = state.lately("failed", account, event)
    if event.out == "ok":
        return _success(event, failed, setting)
    if failed.total < setting.limit("failures"):
        return None
    told = f"{failed.total} wrong passwords or codes for one account within an hour."
    figures: dict[str, int | str] = {"failures": failed.total}
    return tell(event, setting, told, figures, person=account, entries=failed.newest())


def _success(event: Event, failed: Recent, setting: Setting) -> Finding | None:
    lately = [item for item in failed if item.at > event.at - _JUST_NOW]
    failures = sum(item.weight for item in lately)
    if failures < setting.limit("before_success"):
        return None
    told = f"A sign-in that succeeded after {failures} wrong passwords or codes within 15 minutes."
    figures: dict[str, int | str] = {"failures": failures, "signed_in": 1}
    entries = [item.seq for item in lately]
    return tell(event, setting, told, figures, person=event.person, entries=entries)


def _account_tried(event: Event) -> str | None:
    if event.act == "auth.throttled":
        return event.object_id
    wanted = event.why in WRONG or (event.act == "auth.login" and event.out == "ok")
    return event.person if wanted else None


def sign_in_spray(state: State, event: Event, _facts: Facts, setting: Setting) -> Finding | None:
    """Tell of one source from which many accounts, or many names that nobody has, are tried."""
    if event.source is None or event.out == "ok" or not event.act.startswith("auth."):
        return None
    sprayed = state.lately("sprayed", event.source, event)
    guessed = state.lately("guessed", event.source, event)
    accounts = event.why in WRONG and sprayed.distinct >= setting.limit("accounts")
    names = event.why not in WRONG and guessed.total >= setting.limit("names")
    if not accounts and not names:
        return None
    if accounts:
        told = f"Wrong passwords for {sprayed.distinct} accounts from one source within 15 minutes."
    else:
        told = f"{guessed.total} attempts from one source within 15 minutes with names that nobody has."
    count = sprayed.distinct if accounts else guessed.total
    figures: dict[str, int | str] = {"accounts" if accounts else "names": count}
    entries = (sprayed if accounts else guessed).newest()
    return tell(event, setting, told, figures, subject=f"source:{event.source}", entries=entries)


def two_devices(state: State, event: Event, _facts: Facts, setting: Setting) -> Finding | None:
    """Tell of an account whose use goes back and forth between two sessions, on two devices."""
    person = event.person
    if person is None or event.session is None or not event.residents:
        return None
    used = state.lately("used", person, event)
    if used.distinct < 2:
        return None
    places = [item.key for item in used]
    switches = sum(_elsewhere(a, b) for a, b in pairwise(places))
    if switches < setting.limit("switches", event.roles):
        return None
    told = (
        f"One account used in {used.distinct} sessions at once: {switches} changes to and fro in 10 minutes."
    )
    figures: dict[str, int | str] = {"switches": switches, "sessions": used.distinct}
    return tell(event, setting, told, figures, person=person, entries=used.newest())


def _elsewhere(one: str, other: str) -> bool:
    """Say whether two uses are in different sessions, and not on one and the same named device."""
    session, device = one.split(" ", 1)
    next_session, next_device = other.split(" ", 1)
    return session != next_session and not (device and device == next_device)


def dormant_sign_in(state: State, event: Event, facts: Facts, setting: Setting) -> Finding | None:
    """Tell of a sign-in with an account that nobody used for long."""
    person = event.person
    if person is None or event.act != "auth.login" or event.out != "ok":
        return None
    days = state.today(person, event).gap
    if days < 0:
        days = int((event.at - facts.created.get(person, event.at)) // DAY)
    if days < setting.limit("days", event.roles):
        return None
    told = f"A sign-in with an account that was not used for {days} days."
    return tell(event, setting, told, {"days": days}, person=person)


def deactivated_sign_in(state: State, event: Event, _facts: Facts, setting: Setting) -> Finding | None:
    """Tell of attempts at a deactivated account; they are only told apart when the password is right."""
    if event.person is None or event.why != "inactive":
        return None
    tried = state.lately("inactive", event.person, event)
    if len(tried) < setting.limit("attempts"):
        return None
    told = f"{len(tried)} attempts within 24 hours to sign in to a deactivated account, with its password."
    figures: dict[str, int | str] = {"attempts": len(tried)}
    return tell(event, setting, told, figures, person=event.person, entries=tried.newest())
