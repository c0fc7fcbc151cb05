"""`caretrail backup drill`: a copy is restored and used, and what came of it is evidence."""

import json
import re
from typing import Any

from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from tests.unit.commands.places import Place, found_place, looking

STEPS = [
    "check the backup",
    "restore it",
    "compare counts",
    "record the loss",
    "re-apply what ended",
    "check trail and rows",
    "start it, sign in and read",
]


def runs(place: Place) -> list[tuple[str, dict[str, Any]]]:
    """Return outcome and result of each drill."""
    with looking(place.line) as connection:
        rows = connection.execute(text("SELECT outcome, result FROM job_run WHERE job = 'drill' ORDER BY id"))
        return [(outcome, json.loads(result)) for outcome, result in rows]


def entries(place: Place) -> list[dict[str, Any]]:
    """Return the drills' entries."""
    with looking(place.line) as connection:
        lines = connection.execute(text("SELECT line FROM audit_event WHERE org = 'system' ORDER BY seq"))
        found = [json.loads(bytes(line))["e"] for line in lines.scalars()]
    return [one for one in found if one["act"] == "backup.drill"]


def test_a_drill_restores_serves_and_reads_and_leaves_nothing_behind(place):
    """All seven steps succeed, are timed and recorded; what the drill made, or a killed one left, is gone."""
    assert 0 == place.line.run("backup", "create").code
    (place.line.data_dir / ".drill-killed").mkdir()
    told = place.line.run("backup", "drill", "--json")
    assert 0 == told.code, told.err
    assert [one["step"] for one in told.json["steps"]] == STEPS
    assert told.json["lines_lost"] >= 1, "the entry of the backup itself is younger than the backup"
    assert runs(place) == [("ok", told.json)]
    assert [one["out"] for one in entries(place)] == ["ok"]
    assert not list(place.line.data_dir.glob(".drill-*"))
    if place.line.variables:
        with looking(place.line) as connection:
            left = connection.execute(text("SELECT datname FROM pg_database WHERE datname LIKE '%drill%'"))
            assert left.all() == []
    assert 0 == place.line.run("audit", "verify", "--state").code, "the drill touched the live service"


def test_a_drill_that_fails_says_where_and_is_recorded(place):
    """A newest backup that does not open fails the drill at its first step, which is evidence, too."""
    assert 0 == place.line.run("backup", "create").code
    (path,) = (place.line.data_dir / "backups").glob("*.caretrail-backup")
    data = bytearray(path.read_bytes())
    data[3000] ^= 1
    path.write_bytes(data)
    told = place.line.run("backup", "drill", "--json")
    assert (told.code, "check the backup" in told.err) == (1, True), told.err
    ((outcome, result),) = runs(place)
    assert (outcome, result["why"], result["steps"]) == ("fail", "drill-failed", [])
    assert [(one["out"], one["why"]) for one in entries(place)] == [("fail", "drill-failed")]


def test_a_drill_finds_a_row_that_was_changed_before_the_backup(place):
    """What was changed behind the service's back travels in the backup; the drill's check finds it."""
    with looking(place.line) as connection:
        changed = connection.execute(text("UPDATE account SET kind = 'agency'"))
        assert changed.rowcount == 1
        connection.commit()
    assert 0 == place.line.run("backup", "create").code
    told = place.line.run("backup", "drill", "--json")
    assert told.code == 1
    assert re.search(
        "check trail and rows: the restored trail does not hold: user .* row differs", told.err
    ), told.err


def test_a_drill_leaves_out_the_rights_the_server_itself_gave(request, tmp_path, postgresql_url):
    """What `replication degrade` needs is in the dump, and whoever owns a database may not give it."""
    place = found_place(request, tmp_path, "postgresql")
    owner = make_url(place.line.variables["CARETRAIL_OWNER_DATABASE_URL"])
    here = make_url(postgresql_url).set(database=owner.database)
    with create_engine(here, isolation_level="AUTOCOMMIT", poolclass=NullPool).connect() as superuser:
        superuser.execute(text(f'GRANT EXECUTE ON FUNCTION pg_reload_conf() TO "{owner.username}"'))

    assert 0 == place.line.run("backup", "create").code
    told = place.line.run("backup", "drill", "--json")

    assert 0 == told.code, told.err
    assert [one["step"] for one in told.json["steps"]] == STEPS
