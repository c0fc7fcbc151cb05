"""`caretrail doctor` on real deployments, in good order and spoiled."""

import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Executable, create_engine, text
from sqlalchemy.pool import NullPool

from app.access.visit import System, Visit
from app.backups import sealing
from app.commands.opening import open_service
from app.core.clock import spell
from app.core.identifiers import SYSTEM, new_id
from app.core.settings import load
from app.operations import own_works
from app.trail.checkpoints import HOUSEKEEPING
from app.webhooks.table import webhook, webhook_attempt
from tests.unit.commands.conftest import Line
from tests.unit.commands.places import Place, found_place
from tests.unit.operations.test_own_works import Fails

CHECKS = [
    *("disk", "keys", "permissions", "recipients", "identity", "extras", "tls", "database"),
    *("clock", "schema", "root-key", "trail", "replication", "backup", "drill", "continuity"),
    *("deadlines", "jobs", "webhooks", "detection", "housekeeping"),
]
NEED_DATABASE = set(CHECKS[8:])


def examined(line: Line) -> tuple[int, dict[str, dict[str, Any]]]:
    """Return the exit code, and the checks by name."""
    told = line.run("doctor", "--json")
    assert [one["name"] for one in told.json["checks"]] == CHECKS
    assert told.code == told.json["exit_code"]
    return told.code, {one["name"]: one for one in told.json["checks"]}


def failures(checks: dict[str, dict[str, Any]]) -> dict[str, bool]:
    """Return the checks that failed, and whether each keeps the service from starting."""
    return {name: one["stops_start"] for name, one in checks.items() if one["result"] == "failed"}


@pytest.fixture
def founded_demo(request: pytest.FixtureRequest, tmp_path: Path) -> Line:
    """A deployment that says it is a demo, with what opens its backups."""
    line = found_place(request, tmp_path, "sqlite").line
    (line.data_dir / "demo.json").write_text("{}")
    return line


def by_owner(line: Line, statement: str | Executable) -> None:
    """Change the database past the service."""
    url = line.variables.get("CARETRAIL_OWNER_DATABASE_URL", f"sqlite:///{line.data_dir}/caretrail.db")
    with create_engine(url, poolclass=NullPool).begin() as connection:
        connection.execute(text(statement) if isinstance(statement, str) else statement)


def test_a_deployment_with_a_backup_has_nothing_that_failed(place: Place) -> None:
    """After a first backup nothing failed on either database, and what is not right yet is a warning."""
    assert {"backup": False} == failures(examined(place.line)[1])
    assert 0 == place.line.run("backup", "create").code
    code, checks = examined(place.line)

    assert (0, {}) == (code, failures(checks))
    assert "unknown" not in {one["result"] for one in checks.values()}
    assert {"identity", "drill"} <= {name for name, one in checks.items() if one["result"] == "warning"}
    assert "lines" in checks["trail"]["told"]


def test_a_run_of_a_clock_that_was_ahead_does_not_hide_those_since(place: Place) -> None:
    """Backups made in a time still to come are none to rely on; one made now is, and the others stay."""
    assert 0 == place.line.run("backup", "create").code
    by_owner(place.line, "UPDATE job_run SET ended_at = '9000-01-01T00:00:00.000000Z'")
    before = examined(place.line)[1]["backup"]
    assert 0 == place.line.run("backup", "create").code
    after = examined(place.line)[1]["backup"]

    assert ["failed", "ok"] == [before["result"], after["result"]]
    assert before["told"].startswith("the last good one is of 9000-01-01 00:00 UTC, which is still to come")


def test_an_identity_is_held_against_whom_backups_are_sealed_for(founded_demo: Line) -> None:
    """A demo whose recipients were replaced says so; with its own among them it is in order again."""
    line, recipients = founded_demo, founded_demo.data_dir / "backup-recipients.txt"
    own, other = recipients.read_text(), sealing.new_identity()[1]
    told = []
    for held in (own, f"{other}\n", f"{other}\n{own}"):
        recipients.write_text(held)
        told.append(examined(line)[1]["identity"])
    (line.data_dir / "backup-identity.txt").write_text("lost\n")
    told.append(examined(line)[1]["identity"])

    assert ["ok", "warning", "ok", "warning"] == [one["result"] for one in told]
    assert told[1]["told"].endswith(f"its recipient is not in {recipients}")


def test_nothing_is_written(place: Place) -> None:
    """No line, no run and no job comes of it."""

    def counted() -> list[int]:
        url = place.line.variables.get(
            "CARETRAIL_OWNER_DATABASE_URL", f"sqlite:///{place.line.data_dir}/caretrail.db"
        )
        with create_engine(url, poolclass=NullPool).connect() as connection:
            tables = ("audit_event", "audit_checkpoint", "job", "job_run")
            return [connection.execute(text(f"SELECT count(*) FROM {one}")).scalar_one() for one in tables]

    before = counted()
    examined(place.line)

    assert before == counted()


def test_a_database_that_is_down_leaves_the_rest(place: Place) -> None:
    """Without its database the doctor tells that, and looks at everything else all the same."""
    if "CARETRAIL_DATABASE_URL" in place.line.variables:
        place.line.variables["CARETRAIL_DATABASE_URL"] = "postgresql+psycopg://nobody@127.0.0.1:1/none"
    else:
        (place.line.data_dir / "caretrail.db").rename(place.line.data_dir / "away.db")
    code, checks = examined(place.line)

    assert (2, {"database": True}) == (code, failures(checks))
    assert NEED_DATABASE == {name for name, one in checks.items() if one["result"] == "unknown"}
    assert "ok" == checks["keys"]["result"]


def test_endpoints_that_hear_nothing_are_told_of(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour in vain is a warning; one that was switched off by itself, or no client here, a failure."""
    now = datetime.now(UTC)
    ago = [spell(now - timedelta(minutes=minutes)) for minutes in (300, 200, 130, 90, 20)]
    row = dict.fromkeys(("url", "secret", "state"), b"") | {"org": "o", "events": "[]", "version": 1}
    row |= dict.fromkeys(("created_at", "secret_set_at"), ago[0])
    well, failing, off, removed = (new_id() for _ in range(4))
    status = {well: ("active", None), failing: ("active", None), removed: ("deleted", "asked")}
    entered = [row | {"id": one, "status": word, "off_because": why} for one, (word, why) in status.items()]
    attempts = [(well, ago[1], "timeout"), (well, ago[2], "ok"), (well, ago[4], "status")]
    attempts += [(failing, ago[0], "status"), (failing, ago[2], "ok"), (failing, ago[3], "status")]
    attempts += [(failing, ago[4], "timeout"), (removed, ago[0], "status")]
    tried = [
        {"org": "o", "message_id": one, "n": n, "took_ms": 1, "webhook_id": one, "at": at, "outcome": how}
        for n, (one, at, how) in enumerate(attempts)
    ]
    by_owner(place.line, webhook.insert().values(entered))
    by_owner(place.line, webhook_attempt.insert().values(tried))
    told = examined(place.line)[1]["webhooks"]

    assert ("warning", True, False) == (told["result"], failing in told["told"], well in told["told"])
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "app.webhooks.sending", None)
        told = examined(place.line)[1]["webhooks"]
        assert ("failed", True) == (
            told["result"],
            "the extra `webhooks`: install requirements-extras.lock" in told["told"],
        )
    gone = row | {"id": off, "status": "off", "off_because": "gone"}
    by_owner(place.line, webhook.insert().values(gone))
    told = examined(place.line)[1]["webhooks"]
    assert ("failed", True) == (told["result"], told["told"].endswith(f": {off}"))


def test_what_protects_the_trail_was_taken_off(place: Place) -> None:
    """A trigger that is gone is told by name, and the service would not start."""
    postgresql = "CARETRAIL_DATABASE_URL" in place.line.variables
    by_owner(
        place.line,
        "DROP TRIGGER " + ("audit_event_change ON audit_event" if postgresql else "audit_event_update"),
    )
    code, checks = examined(place.line)

    assert (2, {"schema": True, "backup": False}) == (code, failures(checks))
    assert "audit_event" in checks["schema"]["told"]


def test_a_guard_that_knows_more_is_a_rollback(place: Place) -> None:
    """Lines that the guard knows and the database has not are told, as the start tells them."""
    older = place.line.data_dir / "older.db"
    if "CARETRAIL_DATABASE_URL" in place.line.variables:
        guard = place.line.data_dir / "guard" / "system.json"
        shutil.copy(guard, guard.with_name("chain-of-nobody.json"))
    else:
        shutil.copy(place.line.data_dir / "caretrail.db", older)
        assert 0 == place.line.run("audit", "checkpoint").code
        older.replace(place.line.data_dir / "caretrail.db")
    code, checks = examined(place.line)

    assert (2, True) == (code, failures(checks)["trail"])


KEYS: dict[str, tuple[Any, dict[str, bool]]] = {
    "missing": (lambda keys: (keys / "root.key").unlink(), {"keys": True}),
    "damaged": (lambda keys: (keys / "signing.key").write_text("00"), {"keys": True, "trail": True}),
    "open": (lambda keys: (keys / "root.key").chmod(0o644), {"keys": True, "permissions": False}),
    "another": (lambda keys: (keys / "root.key").write_text("11" * 32), {"root-key": True}),
    "open folder": (lambda keys: keys.chmod(0o755), {"permissions": False}),
}


@pytest.mark.parametrize("which", KEYS)
def test_a_key_that_does_not_serve_is_told(founded: tuple[Line, Any], tmp_path: Path, which: str) -> None:
    """Missing, damaged, readable by others or of another database: each is told, none is shown."""
    line = Line(tmp_path / "data")
    shutil.copytree(founded[0].data_dir, line.data_dir)
    spoil, expected = KEYS[which]
    spoil(line.data_dir / "keys")
    code, checks = examined(line)

    assert expected == {name: stops for name, stops in failures(checks).items() if name not in _NOT_YET}
    assert (2 if True in expected.values() else 1) == code
    assert "11111" not in str(checks)


@pytest.mark.parametrize("which", ["backup", "continuity"])
def test_who_opens_what_is_the_owners_to_say(founded: tuple[Line, Any], tmp_path: Path, which: str) -> None:
    """Whoever may write a file of recipients, or put another in its place, opens all that comes."""
    line = Line(tmp_path / "data")
    shutil.copytree(founded[0].data_dir, line.data_dir)
    (folder := tmp_path / "etc").mkdir(mode=0o755)
    file = folder / "recipients.txt"
    file.write_text("age1...")
    line.variables[f"CARETRAIL_{which.upper()}_RECIPIENTS"] = str(file)
    for place, mode, expected in ((file, 0o644, "ok"), (file, 0o666, "failed"), (folder, 0o777, "failed")):
        file.chmod(0o644)
        place.chmod(mode)
        told = examined(line)[1]["permissions"]
        assert (expected, expected == "failed") == (told["result"], f"{place} (0{mode:o})" in told["told"])


_NOT_YET = {"recipients", "backup"}
"""Nobody configured backups in this deployment."""


def test_settings_that_contradict_each_other_end_it_with_2(line: Line) -> None:
    """What the settings refuse is refused here, too; what it would listen at is told as a finding."""
    line.variables["CARETRAIL_PORTS"] = "1"
    assert 2 == line.run("doctor").code
    del line.variables["CARETRAIL_PORTS"]
    line.variables["CARETRAIL_HOST"] = "0.0.0.0"

    assert examined(line)[1]["tls"]["stops_start"]


@pytest.mark.parametrize("recipients", [True, False])
def test_an_extra_that_is_not_installed_is_told_of_where_it_is_asked_for(
    founded: tuple[Line, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, recipients: bool
) -> None:
    """With what installs it; and the service would not start where the job that wants it is planned."""
    line = Line(founded[0].data_dir, dict(founded[0].variables))
    monkeypatch.setitem(sys.modules, "boto3", None)
    assert "ok" == examined(line)[1]["extras"]["result"]
    line.variables["CARETRAIL_OFFSITE_BUCKET"] = "s3://care-copies"
    if recipients:
        line.variables["CARETRAIL_BACKUP_RECIPIENTS"] = str(tmp_path / "recipients.txt")
        (tmp_path / "recipients.txt").write_text(f"{sealing.new_identity()[1]}\n")
    code, checks = examined(line)

    assert ("failed", recipients) == (checks["extras"]["result"], checks["extras"]["stops_start"])
    assert (
        "a copy elsewhere wants the extra `s3`: install requirements-extras.lock" in checks["extras"]["told"]
    )
    assert (2 if recipients else 1) == code


def test_what_the_service_keeps_failing_at_is_told_of(
    founded: tuple[Line, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """From the entries its tries left, whether or not it runs now."""
    line = Line(tmp_path / "data")
    shutil.copytree(founded[0].data_dir, line.data_dir)
    monkeypatch.setattr(own_works, "LASTING", timedelta(0))
    assert "ok" == examined(line)[1]["housekeeping"]["result"]
    with open_service(load(data_dir=line.data_dir)) as service:
        service.turn.serve([Visit(System("checkpoints", SYSTEM), HOUSEKEEPING, Fails())])
    told = examined(line)[1]["housekeeping"]

    assert ("failed", True) == (told["result"], "audit.housekeeping (in-the-way)" in told["told"])


def test_for_people_each_finding_is_a_line_with_what_to_do(founded: tuple[Line, Any]) -> None:
    """Words without a machine's braces: result, check, sentence; what to do stands below."""
    told = founded[0].run("doctor")
    first = [line.split()[:2] for line in told.out.splitlines() if not line.startswith(" ")]

    assert CHECKS == [name for _, name in first]
    assert {"ok", "warning", "failed"} == {result for result, _ in first}
    assert "caretrail backup create" in told.out
