"""`caretrail detect`: the past judged once more, told or raised."""

from collections import Counter

import orjson
import pytest
from sqlalchemy import select

from app.alerts.table import alert
from app.audit.table import event
from app.commands.detecting import instant
from app.commands.opening import open_service
from app.core.clock import spell
from app.core.errors import InvalidRequestError
from app.core.settings import Settings
from app.storage.guard import carrying


def look(founded):
    """Return the alerts, and how often each act of detection stands in the chain."""
    line, told = founded
    query = select(event.c.line).where(event.c.org == told["organisation_id"])
    with (
        open_service(Settings(data_dir=line.data_dir)) as service,
        service.engine.connect() as connection,
        carrying(connection, "test"),
    ):
        alerts = connection.execute(select(alert.c.rule, alert.c.findings)).all()
        acts = Counter(orjson.loads(bytes(one))["e"]["act"] for one in connection.execute(query).scalars())
    return sorted(tuple(one) for one in alerts), (acts["alert.raise"], acts["detection.run"])


def run(founded, *arguments):
    """Run the command and return the rules that told something, and how many alerts it made."""
    told = founded[0].run("detect", *arguments, "--json")
    assert 0 == told.code, told.err
    (one,) = told.json["organisations"]
    return sorted(finding["rule"] for finding in one["findings"]), one["alerts"]


def test_the_past_is_judged_without_and_with_alerts(founded):
    """Without --raise it is only told; with it alerts are raised, and a second run adds nothing."""
    assert (["privilege-change"], 0) == run(founded, "--since", "0001-01-01")
    assert ([], (0, 1)) == look(founded)

    assert (["privilege-change"], 1) == run(founded, "--since", "2020-01-01", "--raise")
    once = look(founded)
    assert ([("privilege-change", 1)], (1, 2)) == once

    assert (["privilege-change"], 1) == run(founded, "--since", "2020-01-01", "--raise")
    assert (once[0], (1, 3)) == look(founded)

    assert ([], 0) == run(founded, "--since", "2099-01-01")


def test_the_words_tell_when_what_and_where(founded):
    """For people each finding is a line: instant, severity, rule, whom, the sentence, the entry."""
    told = founded[0].run("detect", "--since", "2020-01-01T00:00:00Z")

    assert 0 == told.code
    (line,) = told.out.splitlines()
    assert "  medium    privilege-change" in line
    assert "1 change within 24 hours that gave far-reaching rights" in line
    assert line.endswith(")")


OUTSIDE = ["0001-01-01T00:00:00+05:00", "9999-12-31T23:00:00-05:00"]


@pytest.mark.parametrize("since", ["yesterday", "2026-04-01T08:00:00", "2026-13-01", *OUTSIDE])
def test_since_is_an_instant_with_a_time_zone(since):
    """What is no day and no instant with a zone is refused."""
    with pytest.raises(InvalidRequestError):
        instant(since)


def test_a_day_begins_in_utc():
    """A day means its first instant in UTC; an instant of another zone is converted."""
    assert "2026-04-01T00:00:00.000000Z" == spell(instant("2026-04-01"))
    assert "2026-04-01T07:00:00.000000Z" == spell(instant("2026-04-01T08:00:00+01:00"))


def test_an_unknown_organisation_is_told(founded):
    """There is nothing to judge of an organisation that is not there."""
    told = founded[0].run("detect", "--since", "2020-01-01", "--organisation", "nobody")

    assert 1 == told.code
    assert "there is no chain of this name" in told.err
