"""What an operator is told of a database that is older, unfinished, damaged or gone."""

from pathlib import Path

import pytest

from tests.unit.commands.conftest import Line
from tests.unit.commands.places import Place
from tests.unit.commands.test_examining import by_owner, examined, failures

OLDER = "2026_11_22_08"
OF_ANOTHER = {"root-key", "trail", "backup", "drill", "continuity", "deadlines", "jobs", "webhooks"}
LACKS = "the database lacks alert.findings, webhook: it was made by an unfinished build and cannot be"
DAMAGED = "the database file cannot be read: it is damaged or no database; bring a backup back"


def _set_back(line: Line) -> None:
    """Let a database be one of an older version, with what protected the trail then."""
    postgresql = "CARETRAIL_DATABASE_URL" in line.variables
    by_owner(line, f"UPDATE alembic_version SET version_num = '{OLDER}'")
    by_owner(line, "DROP TRIGGER audit_name_insert" if not postgresql else "DROP TABLE webhook_attempt")
    if postgresql:
        by_owner(line, "DROP TRIGGER audit_event_link ON audit_event")


def test_unfinished_schema_is_told_by_every_command(place: Place) -> None:
    """Where a table and a column are lacking `migrate`, `serve` and `doctor` name them, with exit code 2."""
    by_owner(place.line, "DROP TABLE webhook")
    by_owner(place.line, "ALTER TABLE alert DROP COLUMN findings")
    told = [place.line.run(command) for command in ("migrate", "serve")]
    code, checks = examined(place.line)

    assert [(2, ""), (2, "")] == [(one.code, one.out) for one in told]
    assert [True, True] == [one.err.startswith(f"caretrail: {LACKS}") for one in told]
    assert (2, {"schema": True}) == (code, failures(checks))
    assert checks["schema"]["told"].startswith(LACKS)
    assert OF_ANOTHER <= {name for name, one in checks.items() if one["result"] == "unknown"}
    assert "ok" == checks["database"]["result"]


def test_lines_of_an_older_schema_are_not_called_tampered(place: Place) -> None:
    """`audit verify` before the migration judges the lines alone, and cannot vouch: exit code 2."""
    _set_back(place.line)
    told, as_json = place.line.run("audit", "verify"), place.line.run("audit", "verify", "--state", "--json")

    assert (2, 2) == (told.code, as_json.code)
    assert f"the schema is at {OLDER}, an older one: run `caretrail migrate`" in told.out
    assert told.out.endswith("the whole trail: cannot vouch (exit 2)\n")
    assert ("cannot vouch", OLDER, None) == tuple(
        as_json.json[name] for name in ("result", "older_schema", "schema")
    )
    assert {0} == {chain["exit_code"] for chain in as_json.json["chains"]}


def test_changed_line_of_an_older_schema_is_found(line: Line) -> None:
    """A schema that is not migrated yet hides no change of a line: exit code 1."""
    assert 0 == line.run("init", "--organisation", "Sample Care", "--admin", "a.sample").code
    assert "an older one" not in line.run("audit", "verify").out
    _set_back(line)
    by_owner(line, "DROP TRIGGER audit_event_update")
    by_owner(line, "UPDATE audit_event SET line = replace(line, '\"ok\"', '\"no\"') WHERE seq = 0")

    assert (1, "tampered") == ((told := line.run("audit", "verify", "--json")).code, told.json["result"])


def test_what_an_older_schema_holds_is_not_guessed(place: Place) -> None:
    """Before the migration nothing is said of backups, drills or packs: their tables were not read."""
    _set_back(place.line)
    code, checks = examined(place.line)
    told = {checks[name]["told"] for name in OF_ANOTHER}

    assert (2, {"schema": True}) == (code, failures(checks))
    assert {"unknown"} == {checks[name]["result"] for name in OF_ANOTHER}
    assert {"not asked: the schema is another version's"} == told


def _overwrite(file: Path, first: int, last: int | None) -> None:
    data = bytearray(file.read_bytes())
    last = len(data) if last is None else last
    data[first:last] = b"\xa5" * (last - first)
    file.write_bytes(data)


@pytest.mark.parametrize(("first", "last"), [(0, None), (0, 4096), (100, 4096), (4096, None), (8192, None)])
def test_damaged_file_is_a_sentence(line: Line, first: int, last: int | None) -> None:
    """A file with overwritten pages is refused with what to do, not with a dump of frames."""
    assert 0 == line.run("init", "--organisation", "Sample Care", "--admin", "a.sample").code
    _overwrite(line.data_dir / "caretrail.db", first, last)
    told, (code, checks) = line.run("serve"), examined(line)

    assert (2, "") == (told.code, told.out)
    assert told.err.startswith(f"caretrail: {DAMAGED}")
    assert (2, True) == (code, failures(checks).get("database"))
    assert "see Bringing a backup back" in checks["database"]["advice"]


def test_damaged_name_is_a_sentence(line: Line) -> None:
    """What SQLite then says is not even text; every command answers all the same."""
    assert 0 == line.run("init", "--organisation", "Sample Care", "--admin", "a.sample").code
    file = line.data_dir / "caretrail.db"
    data = file.read_bytes().replace(b"tablewebhookwebhook", b"table\xe8ebhookwebhook")
    file.write_bytes(data.replace(b"CREATE TABLE webhook (", b"CREATE TXBLE webhook ("))
    served, verified = line.run("serve"), line.run("audit", "verify")

    assert (2, True) == (served.code, served.err.startswith(f"caretrail: {DAMAGED}"))
    assert (3, True) == (verified.code, "unreadable: " in verified.out)
    assert (2, True) == ((told := examined(line))[0], failures(told[1]).get("database"))


def test_lost_file_is_not_made_anew(line: Line) -> None:
    """Where the guard knows chains and the file is gone, that is said, and no empty one takes its place."""
    assert 0 == line.run("init", "--organisation", "Sample Care", "--admin", "a.sample").code
    file = line.data_dir / "caretrail.db"
    file.rename(line.data_dir / "away.db")
    before = sorted(line.data_dir.iterdir())
    told = [line.run("serve"), line.run("keys", "status"), line.run("audit", "recover", "--reason", "lost")]

    assert [2, 2, 2] == [one.code for one in told]
    for one in told:
        assert f"there is no database at {file}, but there was one" in one.err
        assert "knows 2 chains of it. Put it back, or bring a backup back" in one.err
    assert before == sorted(line.data_dir.iterdir())


def test_a_place_that_never_had_a_database_says_so(line: Line) -> None:
    """Without a guard it is not said that something is lost, and nothing is made."""
    told = line.run("serve")

    assert (2, False) == (told.code, line.data_dir.exists())
    assert "there is no database at" in told.err
    assert "`caretrail init` makes one" in told.err


def test_help_of_migrate_says_what_becomes_of_a_running_service(line: Line) -> None:
    """It goes on answering, but not with all it does, until it restarts; then only the new version starts."""
    told = " ".join(line.run("migrate", "--help").out.replace("│", " ").split())

    assert "Restart a service that runs at once: it goes on answering" in told
    assert "but may no longer sign, index or detect. From then on only this version starts" in told
