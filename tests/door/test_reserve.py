"""On the last of the disk nobody is shown a record, and whoever looks at the trail is served.

SQLite is told how many pages it may have: it then fails as it does on a full disk. The reserve of these tests
gives pages instead of blocks.
"""

import pytest

from app.access.visit import System, Visit
from app.core.identifiers import SYSTEM
from app.identity.own_session import ReadSession
from app.jobs.works import KEEPING, ClaimDue
from app.operations.disk_watch import FULL, TellOfDisk
from app.storage.reserve import Reserve
from app.trail.checkpoints import HOUSEKEEPING, SurveyChains
from app.trail.readiness import READY, ProbeReadiness
from tests.door.conftest import NOTES, Ward, outcomes

PAGES = 200


class Pages(Reserve):
    """A reserve of pages of a database."""

    def __init__(self, driver, path) -> None:
        super().__init__(path, 4096)
        self._driver = driver
        assert self.keep()

    def release(self) -> bool:
        """Let the database have some pages more."""
        now = self._driver.execute("PRAGMA page_count").fetchone()[0]
        self._driver.execute(f"PRAGMA max_page_count = {now + PAGES}")
        return super().release()


@pytest.fixture
def ward(sqlite_ward: Ward, tmp_path) -> Ward:
    """A ward whose turn has a reserve, and whose database may not grow."""
    connection = sqlite_ward.turn._connected()
    driver = connection.connection.driver_connection
    reserve = Pages(driver, tmp_path / "reserve")
    sqlite_ward.turn._scarcity._reserve = reserve
    pages = driver.execute("PRAGMA page_count").fetchone()[0]
    driver.execute(f"PRAGMA max_page_count = {pages}")
    sqlite_ward.reserve = reserve
    return sqlite_ward


def fill(ward: Ward) -> list[Visit]:
    """Write notes until one is refused; return the visits of the turn in which that was."""
    for n in range(200):
        visits = [ward.reading(n % 8), ward.visit_of(ward.new_note("x" * 3000), NOTES)]
        ward.turn.serve(visits)
        if ["ok", "ok"] != outcomes(visits):
            return visits
    raise AssertionError("the disk did not become full")


def test_a_full_disk_shows_no_record_and_gives_the_reserve_to_the_trail(ward: Ward):
    """The turn that finds no room, and every turn after it, shows and changes nothing of a record."""
    visits = fill(ward)
    entries, acts = len(ward.entries()), {entry["act"] for entry in ward.entries()}
    again = [ward.reading(0), ward.amending(0, 1, "lost"), ward.visit_of(ward.new_note("lost"), NOTES)]
    ward.turn.serve(again)

    assert ["audit-unavailable"] * 5 == outcomes(visits + again)
    assert {"disk-full"} == {visit.outcome.why for visit in visits + again}
    assert [None] * 5 == [visit.stamp for visit in visits + again]
    assert (entries, acts) == (len(ward.entries()), {entry["act"] for entry in ward.entries()})
    assert ward.reserve.spent
    assert [] == ward.sound().problems


def test_from_the_reserve_the_trail_is_served(ward: Ward):
    """Sessions, the trail and what keeps it in order are served; no job begins, for a backup wants much."""
    fill(ward)
    before = len(ward.entries())
    served = [
        ward.visit_of(ReadSession(), "GET /v1/sessions/current"),
        Visit(System("checkpoints", SYSTEM), HOUSEKEEPING, SurveyChains()),
        Visit(System("health", SYSTEM), READY, ProbeReadiness()),
        Visit(System("disk", SYSTEM), FULL, TellOfDisk()),
    ]
    job = Visit(System("jobs", SYSTEM), KEEPING, ClaimDue(frozenset({"backup"}), "here"))
    carer = ward.reading(0)
    ward.turn.serve([*served, carer, job])

    assert ["ok"] * 4 == outcomes(served)
    assert ["audit-unavailable"] * 2 == outcomes([carer, job])
    assert ["auth.session"] == [
        entry["act"] for entry in ward.entries()[before:] if entry["act"] != "disk.full"
    ]
    assert [] == ward.sound().problems


def test_somebody_can_sign_in_on_a_full_disk(ward: Ward):
    """An operator who comes when the disk is full gets in, and is recorded."""
    auditor = ward.person("auditor", None, signed_in=False)
    fill(ward)
    ward.sign_in(auditor)

    assert auditor.session is not None
    assert "auth.login" == ward.entries()[-1]["act"]


def test_with_room_again_everything_is_served(ward: Ward):
    """The reserve is kept again, and records are shown as before."""
    fill(ward)
    ward.reserve._driver.execute("PRAGMA max_page_count = 1000000")
    refused = [ward.reading(0)]
    ward.turn.serve(refused)
    assert ["audit-unavailable"] == outcomes(refused)

    assert ward.reserve.keep()
    ward.turn.serve(refused)
    assert ["ok"] == outcomes(refused)
    assert [] == ward.sound().problems


def test_the_reserve_is_given_once(ward: Ward):
    """When its room is used up, too, everything is answered 503, and nothing is half there."""
    fill(ward)
    driver = ward.reserve._driver
    driver.execute(f"PRAGMA max_page_count = {driver.execute('PRAGMA page_count').fetchone()[0]}")
    told = []
    for _ in range(300):
        visit = ward.visit_of(ReadSession(), "GET /v1/sessions/current")
        ward.turn.serve([visit])
        told.append(visit.outcome)
    found = {getattr(one, "why", "ok") for one in told}

    assert {"ok", "audit-unavailable"} == found | {"ok"}
    assert [] == ward.sound().problems
