"""What another process ends between the gathering of a turn and its entries: nobody acts after it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from app.access import overtaking, turn
from app.access.opened import Opened
from app.access.operations import OPERATIONS
from app.access.visit import System, Visit
from app.access.work import Answer, Work
from app.exchange.subject_works import EXPORT, BeginCopy
from app.http.incidents_shapes import IncidentIn
from app.identity.accounts import AmendAccount, DeactivateAccount
from app.identity.ending import EndSession
from app.identity.own_session import LockSession, SignOut
from app.identity.shifts import AmendShift, CancelShift
from app.identity.table import shift
from app.incidents.containment import Contain
from app.incidents.opening import OpenIncident
from app.residents.admission import AdmitResident
from app.residents.amending import AmendResident
from app.residents.erasing import ApproveErasure, AskErasure
from app.residents.leaving import DischargeResident
from app.residents.retention_schedule import SET_RULE, SetRule
from tests.door.conftest import NOTES, Ward, outcomes

ME = "GET /v1/users/me"
SHIFT = "/v1/users/{user_id}/shifts/{shift_id}"
INCIDENTS = "POST /v1/incidents"


@dataclass
class Meanwhile(Work):
    """A read during which another process serves, once."""

    other: Ward
    visit: Visit

    def perform(self, opened: Opened) -> Answer:
        if self.visit.outcome is None:
            self.other.turn.serve([self.visit])
        return Answer(None)


@dataclass
class MeanwhileLast(Meanwhile):
    """The same, once the changes of its turn that come before it were decided, too."""

    changes = True


def by_operator(ward: Ward, work: Work, operation: str) -> Visit:
    return Visit(System("cli", ward.org), OPERATIONS[operation], work)


def moved(ward: Ward) -> Visit:
    work = AmendResident(ward.resident, 1, {"home_id": ward.other_home})
    return by_operator(ward, work, "PATCH /v1/residents/{resident_id}")


def reassigned(ward: Ward) -> Visit:
    work = AmendAccount(ward.nurse.id, 1, assignments=[{"role": "nurse", "home_id": ward.other_home}])
    return by_operator(ward, work, "PATCH /v1/users/{user_id}")


def deactivated(ward: Ward) -> Visit:
    return by_operator(ward, DeactivateAccount(ward.nurse.id, "left"), "POST /v1/users/{user_id}/deactivate")


def in_shift(ward: Ward) -> str:
    """Have somebody of an agency be the nurse, who is there for a shift; return its id."""
    ward.nurse = ward.person("agency_nurse")
    (row,) = ward.rows(shift)
    return str(row["id"])


def shift_cancelled(ward: Ward) -> Visit:
    work = CancelShift(shift_id=in_shift(ward), user_id=ward.nurse.id)
    return by_operator(ward, work, f"DELETE {SHIFT}")


def shift_shortened(ward: Ward) -> Visit:
    work = AmendShift(shift_id=in_shift(ward), user_id=ward.nurse.id, ends_at=ward.later(minutes=-1))
    return by_operator(ward, work, f"PATCH {SHIFT}")


def session_of(ward: Ward) -> Any:
    assert ward.nurse.session is not None
    return ward.nurse.session


ENDINGS: dict[str, tuple[Callable[[Ward], Visit], str]] = {
    "signed out": (lambda w: w.visit_of(SignOut(), "DELETE /v1/sessions/current"), "session-ended"),
    "locked": (lambda w: w.visit_of(LockSession(), "POST /v1/sessions/current/lock"), "session-locked"),
    "ended by another": (
        lambda w: by_operator(w, EndSession(session_of(w).id), "DELETE /v1/sessions/{session_id}"),
        "session-ended",
    ),
    "deactivated": (deactivated, "session-ended"),
    "shift cancelled": (shift_cancelled, "shift-over"),
    "shift shortened": (shift_shortened, "shift-over"),
    "another home": (reassigned, "not-found"),
    "resident moved": (moved, "not-found"),
}


def served(ward: Ward, ending: Visit, *, writing: bool) -> Visit:
    """Have the nurse read or write while another process carries out the ending, and return their visit."""
    colleague = ward.person("nurse")
    assert colleague.session is not None
    during = Visit(colleague.session, OPERATIONS[ME], Meanwhile(ward.beside(), ending))
    mine = ward.visit_of(ward.new_note("too late"), NOTES) if writing else ward.reading(0)
    ward.turn.serve([during, mine])
    assert ["ok", "ok"] == outcomes([during, ending])
    return mine


def after(ward: Ward, ending: Visit) -> list[tuple[str, str]]:
    """Return what the nurse did after the entry of the ending: act and outcome."""
    assert ending.stamp is not None
    return [
        (e["act"], e["out"])
        for e in ward.entries()[ending.stamp.seq + 1 :]
        if e["actor"]["id"] == ward.nurse.id
    ]


@pytest.mark.parametrize("writing", [False, True])
@pytest.mark.parametrize("name", ENDINGS)
def test_nobody_acts_after_the_entry_that_ended_it(postgresql_ward, name, writing):
    """A turn whose facts another process changed is done again: it answers as that entry demands."""
    ward = postgresql_ward
    make, slug = ENDINGS[name]
    ending = make(ward)

    mine = served(ward, ending, writing=writing)

    assert [slug] == outcomes([mine])
    assert [("record.create" if writing else "record.read", "deny")] == after(ward, ending)
    assert [] == ward.sound().problems


def test_without_looking_at_what_came_between_somebody_acts_after_the_end(postgresql_ward, monkeypatch):
    """The variant that does not look: the test above tells it from the rule."""
    ward = postgresql_ward
    monkeypatch.setattr(overtaking, "_refuse_overtaken", lambda *_: None)
    ending = ENDINGS["deactivated"][0](ward)

    mine = served(ward, ending, writing=True)

    assert ["ok"] == outcomes([mine])
    assert [("record.create", "ok")] == after(ward, ending)


def gathered_by(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets how many visits were gathered for, each time."""
    gathered: list[int] = []
    gather = ward.turn._register.gather
    monkeypatch.setattr(
        ward.turn._register, "gather", lambda c, v, at: gathered.append(len(v)) or gather(c, v, at)
    )
    return gathered


def test_an_export_does_not_begin_after_the_entry_that_froze_all(postgresql_ward):
    """A containment names nobody for whom it freezes exports: one under way is asked again all the same."""
    ward = postgresql_ward
    manager = ward.person("registered_manager", None)
    assert manager.session is not None
    given = IncidentIn(kind="other", what_happened="x").model_dump(mode="json", exclude={"home_id"})
    incident = ward.answer(OpenIncident(None, given), INCIDENTS, manager).payload["id"]
    freezing = Contain(incident, freeze="organisation", reason="seen with a list")
    frozen = Visit(manager.session, OPERATIONS[f"{INCIDENTS}/{{incident_id}}/containment"], freezing)
    copying = Visit(System("cli", ward.org), EXPORT, BeginCopy(ward.resident, "asked for"))

    ward.turn.serve([copying, ward.visit_of(Meanwhile(ward.beside(), frozen), ME)])

    assert ["forbidden", "ok"] == outcomes([copying, frozen])
    assert frozen.stamp is not None
    told = [(e["act"], e["out"], e.get("why")) for e in ward.entries()[frozen.stamp.seq + 1 :]]
    assert ("resident.export", "deny", "exports-frozen") == told[0]
    assert [] == ward.sound().problems


def admission(ward: Ward, on: str) -> AdmitResident:
    identity = {"given_name": "Ida", "family_name": "Hale"}
    return AdmitResident(ward.home, None, None, identity, {"date_of_birth": "1940-01-01"}, on)


def approval_and_rule(ward: Ward) -> tuple[Visit, Visit]:
    """Return the approval of an erasure that may be carried out, and a rule that keeps the record longer."""
    manager, officer = (ward.person(role, None) for role in ("registered_manager", "privacy_officer"))
    cli, resident = System("cli", ward.org), "/v1/residents/{resident_id}"
    left = ward.answer(admission(ward, "2001-01-02"), "POST /v1/residents", cli).payload["id"]
    ward.answer(DischargeResident(left, "2005-01-01", "died"), f"POST {resident}/discharge", cli)
    asking = AskErasure(left, "retention_ended", "nobody needs it")
    asked = ward.answer(asking, f"POST {resident}/erasure", officer).payload
    assert manager.session is not None
    operation = OPERATIONS["POST /v1/erasures/{erasure_id}/approve"]
    approving = Visit(manager.session, operation, ApproveErasure(asked["id"]))
    return approving, Visit(cli, SET_RULE, SetRule("care_record", 30, "contract"))


def test_nobody_is_erased_after_the_entry_of_a_rule_that_keeps_the_record(postgresql_ward):
    """A rule of retention names nobody: an approval that was decided by the one before it is asked again."""
    ward = postgresql_ward
    approving, ruled = approval_and_rule(ward)

    ward.turn.serve([approving, ward.visit_of(MeanwhileLast(ward.beside(), ruled), ME)])

    assert ["retention-hold", "ok"] == outcomes([approving, ruled])
    assert ruled.stamp is not None
    told = [(e["act"], e["out"]) for e in ward.entries()[ruled.stamp.seq + 1 :]]
    assert ("resident.erase", "fail") in told
    assert [] == ward.sound().problems


def test_with_a_rule_that_concerns_nobody_a_kept_record_is_erased(postgresql_ward, monkeypatch):
    """The variant that asks only whom an entry names: the test above tells it from the rule."""
    ward = postgresql_ward
    monkeypatch.setattr(overtaking, "_OF_ALL", overtaking._OF_ALL - {"retention"})
    approving, ruled = approval_and_rule(ward)

    ward.turn.serve([approving, ward.visit_of(MeanwhileLast(ward.beside(), ruled), ME)])

    assert ["ok", "ok"] == outcomes([approving, ruled])
    assert approving.stamp is not None
    assert ruled.stamp is not None
    assert approving.stamp.seq > ruled.stamp.seq


@pytest.mark.parametrize(("between", "tries"), [(3, 1), (4, 2)])
def test_many_entries_that_came_between_are_not_read(postgresql_ward, monkeypatch, between, tries):
    """With a chain held only so many lines are read; of more none is, and the turn is done again."""
    ward = postgresql_ward
    monkeypatch.setattr(overtaking, "MOST_BETWEEN", 3)
    read: list[int] = []
    lines = overtaking.stored.lines
    monkeypatch.setattr(
        overtaking.stored,
        "lines",
        lambda c, org, since, to: read.append(to - since) or lines(c, org, since, to),
    )
    gathered = gathered_by(ward, monkeypatch)
    other, readings = ward.beside(), [ward.reading(n) for n in range(between)]
    visits = [ward.visit_of(Meanwhile(other, one), ME) for one in readings]
    visits.append(ward.visit_of(ward.new_note("mine"), NOTES))

    ward.turn.serve(visits)

    assert ["ok"] * (2 * between + 1) == outcomes(visits + readings)
    assert [between + 1] * tries == gathered
    assert ([3] if tries == 1 else []) == read
    assert [] == ward.sound().problems


def test_what_ends_nothing_for_those_in_a_turn_does_not_stop_it(postgresql_ward, monkeypatch):
    """Notes, readings, an admission and another's sign-out in another process cost no second try."""
    ward = postgresql_ward
    other, stranger = ward.beside(), ward.person("carer")
    assert stranger.session is not None
    gathered = gathered_by(ward, monkeypatch)
    leaving = Visit(stranger.session, OPERATIONS["DELETE /v1/sessions/current"], SignOut())
    meanwhile = [ward.reading(1), ward.visit_of(ward.new_note("beside"), NOTES), leaving]
    meanwhile.append(by_operator(ward, admission(ward, "2026-01-01"), "POST /v1/residents"))
    visits = [ward.visit_of(Meanwhile(other, one), ME) for one in meanwhile]
    visits += [ward.visit_of(ward.new_note("mine"), NOTES), ward.reading(0)]

    ward.turn.serve(visits)

    assert ["ok"] * 10 == outcomes(visits + meanwhile)
    assert [6] == gathered
    assert [] == ward.sound().problems


def test_a_turn_whose_head_had_moved_can_be_taken_back_until_it_commits(postgresql_ward, monkeypatch):
    """The append that compared the head did nothing, so nobody is told that the outcome is unknown."""
    ward = postgresql_ward
    fates: list[str] = []
    append = turn.append_unless_overtaken

    def noting(connection: Any, drafts: Any, at: Any, attempts: Any) -> Any:
        fates.extend(attempt.visit.fate for attempt in attempts)
        return append(connection, drafts, at, attempts)

    monkeypatch.setattr(turn, "append_unless_overtaken", noting)
    beside = ward.reading(1)
    visits = [ward.visit_of(Meanwhile(ward.beside(), beside), ME), ward.reading(0)]

    ward.turn.serve(visits)

    assert ["ok"] * 3 == outcomes([*visits, beside])
    assert ["open", "open"] == fates
