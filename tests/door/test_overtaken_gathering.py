"""What a turn gathers tells it what came between, whoever else is in it and whatever they look at."""

import pytest

from app.access.operations import OPERATIONS
from app.access.visit import Session, Visit
from app.access.work import Refused
from app.core.errors import InvalidRequestError
from app.core.identifiers import new_id
from app.identity.directory import ReadMe
from app.residents.correcting import RemoveRecord
from tests.door.conftest import NOTES, outcomes
from tests.door.test_overtaking import ME, Meanwhile, after, by_operator, deactivated

RECORD = "/v1/residents/{resident_id}/records/{record_id}"


@pytest.mark.parametrize("where", [0, 1])
def test_a_session_nobody_knows_hides_nothing_from_those_beside_it(postgresql_ward, where):
    """Whoever comes first asks where the chain stood, for all: a token whose session is gone may be first."""
    ward = postgresql_ward
    unknown = Visit(Session(new_id(), ward.org), OPERATIONS[ME], ReadMe())
    colleague = ward.person("nurse")
    assert colleague.session is not None
    ending = deactivated(ward)
    during = Visit(colleague.session, OPERATIONS[ME], Meanwhile(ward.beside(), ending))
    mine = ward.visit_of(ward.new_note("too late"), NOTES)
    visits = [during, mine]
    visits.insert(where, unknown)

    ward.turn.serve(visits)

    assert ["ok", "ok", "session-ended", "token-invalid"] == outcomes([during, ending, mine, unknown])
    assert [("record.create", "deny")] == after(ward, ending)


@pytest.mark.parametrize(("which", "seen"), [(0, "not-found"), (1, "ok")])
def test_nobody_reads_a_record_behind_the_entry_that_marked_it_as_an_error(postgresql_ward, which, seen):
    """Its reader is asked again; who reads another record of the same person is not kept waiting."""
    ward = postgresql_ward
    colleague = ward.person("nurse")
    assert colleague.session is not None
    named = ward.reading(0).work
    removing = by_operator(ward, RemoveRecord(named.resident_id, named.record_id, 1), f"DELETE {RECORD}")
    removing.reason = "another person's"
    during = Visit(colleague.session, OPERATIONS[ME], Meanwhile(ward.beside(), removing))
    mine = ward.reading(which)

    ward.turn.serve([during, mine])

    assert ["ok", "ok", seen] == outcomes([during, removing, mine])
    assert [("record.read", "ok" if seen == "ok" else "fail")] == after(ward, removing)


def test_a_refused_removal_that_named_nothing_stops_nobody(postgresql_ward):
    """Whoever may not remove, and names nothing that could be, hides no record: readers do not wait."""
    ward = postgresql_ward
    colleague = ward.person("nurse")
    assert colleague.session is not None
    unread = Refused(InvalidRequestError(("", "Not this.")), object_asked=("record", None))
    refused = Visit(colleague.session, OPERATIONS[f"DELETE {RECORD}"], unread)
    during = Visit(colleague.session, OPERATIONS[ME], Meanwhile(ward.beside(), refused))
    mine = ward.reading(0)
    gathered: list[int] = []
    gather = ward.turn._register.gather
    ward.turn._register.gather = lambda c, v, at: gathered.append(len(v)) or gather(c, v, at)

    ward.turn.serve([during, mine])

    assert ["ok", "forbidden", "ok"] == outcomes([during, refused, mine])
    assert [2] == gathered
