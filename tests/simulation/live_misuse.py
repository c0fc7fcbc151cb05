"""Misuse as it is done over HTTP, each quickly: what is measured is how soon it is told."""

from collections.abc import Callable

from sqlalchemy import update

from app.access.visit import System
from app.identity.accounts import DeactivateAccount
from app.residents.recording import MakeRecord
from app.residents.table import record
from tests.simulation.live import Live
from tests.support.cast import body_of
from tests.support.scripts import NOWHERE
from tests.unit.trail.stories import admit

RECORDS = "/v1/residents/{resident_id}/records"
WRONG = "this is not the password"


def _resident(live: Live, family: str = "Example") -> str:
    return admit(live.world, live.world.home, family)


def _notes(live: Live, resident: str, count: int) -> list[str]:
    cli = System("cli", live.world.org)
    work = MakeRecord(
        resident, "daily_note", live.world.later(minutes=-5), body_of("daily_note", "As usual.")
    )
    made = [live.world.answer(work, f"POST {RECORDS}", cli) for _ in range(count)]
    return [str(one.payload["id"]) for one in made]


def bulk_reading(live: Live) -> None:
    """Open twenty residents ten times each."""
    carer = live.person("carer")
    for resident in [_resident(live) for _ in range(20)]:
        for _ in range(10):
            live.ask("GET", f"/v1/residents/{resident}", carer)


def bulk_export(live: Live) -> None:
    """Export the trail eight times."""
    manager = live.person("registered_manager", home=None)
    for _ in range(8):
        live.ask("GET", "/v1/audit/export?format=jsonl", manager)


def probing(live: Live) -> None:
    """Ask for numbers that are nobody's, and for money."""
    carer, resident = live.person("carer"), _resident(live)
    for _ in range(12):
        live.ask("GET", f"/v1/residents/{NOWHERE}", carer)
        live.ask("GET", f"/v1/residents/{resident}/records?category=finance", carer)


def guessing(live: Live) -> None:
    """Guess one password nine times."""
    person = live.person("carer")
    for _ in range(9):
        live.sign_in(person, WRONG)


def spraying(live: Live) -> None:
    """Try eight accounts, once each."""
    for person in [live.person("carer", signed_in=False) for _ in range(8)]:
        live.sign_in(person, WRONG)


def two_places(live: Live) -> None:
    """Use one account in two sessions, to and fro."""
    senior, resident = live.person("senior_carer"), _resident(live)
    second = live.sign_in(senior, otp=live.world.otp(senior), device={"kind": "mobile", "id": "elsewhere"})
    for _ in range(6):
        live.ask("GET", f"/v1/residents/{resident}", senior)
        live.ask("GET", f"/v1/residents/{resident}", str(second.json()["access_token"]))


def leaver(live: Live) -> None:
    """Try the account of somebody who left."""
    person = live.person("carer", signed_in=False)
    cli = System("cli", live.world.org)
    live.world.answer(DeactivateAccount(person.id, "left"), "POST /v1/users/{user_id}/deactivate", cli)
    live.sign_in(person, otp=live.world.otp(person))


def rights(live: Live) -> None:
    """Make a carer a deputy manager."""
    manager, carer = live.person("registered_manager", home=None), live.person("carer")
    wanted = {"assignments": [{"role": "deputy_manager", "home_id": live.world.home}]}
    live.ask("PATCH", f"/v1/users/{carer.id}", manager, json=wanted, headers={"If-Match": '"1"'})


def removing(live: Live) -> None:
    """Mark thirty notes as entered in error."""
    deputy, resident = live.person("deputy_manager"), _resident(live)
    headers = {"If-Match": '"1"', "Audit-Reason": "wrong"}
    for note in _notes(live, resident, 30):
        live.ask("DELETE", f"/v1/residents/{resident}/records/{note}", deputy, headers=headers)


def tampering(live: Live) -> None:
    """Change a row past the service, and open it."""
    carer, resident = live.person("carer"), _resident(live)
    [note] = _notes(live, resident, 1)
    other = update(record).where(record.c.id == note).values(occurred_at="2026-01-01T00:00:00.000000Z")
    live.world.looking(lambda connection: connection.execute(other))
    live.ask("GET", f"/v1/residents/{resident}/records/{note}", carer)


def off_shift(live: Live) -> None:
    """Have an agency worker try to get in without a shift, six times."""
    worker = live.person("agency_carer", factor=False, signed_in=False, shift_hours=0)
    for _ in range(6):
        live.sign_in(worker)


def own_kin(live: Live) -> None:
    """Open the page of somebody with one's own family name fifteen times."""
    carer = live.person("carer")
    resident = _resident(live, carer.display_name.split()[-1])
    for _ in range(15):
        live.ask("GET", f"/v1/residents/{resident}", carer)


TWICE: tuple[tuple[str, Callable[[Live], None]], ...] = (
    ("bulk_reading", bulk_reading),
    ("bulk_export", bulk_export),
    ("probing", probing),
    ("password_guessing", guessing),
    ("two_devices", two_places),
    ("deactivated_account", leaver),
    ("privilege_change", rights),
    ("mass_change", removing),
    ("row_tampering", tampering),
    ("off_shift", off_shift),
    ("family_name", own_kin),
)
"""Each is done twice, by different people."""
ONCE: tuple[tuple[str, Callable[[Live], None]], ...] = (("password_spraying", spraying),)
"""From one address there is one spray: a second is the same."""
