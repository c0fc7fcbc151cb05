"""`init`, `organisation add`, `migrate` and `keys status`: making a deployment, once."""

import shutil
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from app.storage.schema import head_revision
from tests.support.postgresql import Database, make_database
from tests.unit.commands.conftest import Line


def test_init_shows_what_to_write_down(founded: tuple[Line, dict[str, str]]) -> None:
    """`init` tells the organisation, its first user, a one-time password and the key for auditors."""
    _, told = founded

    assert {"organisation_id", "username", "one_time_password", "verifier_key"} == told.keys()
    assert "maria.sample" == told["username"]
    assert told["verifier_key"].startswith(f"caretrail.local/audit/{told['organisation_id']}+")


def test_what_init_wrote_is_for_its_user_alone(founded: tuple[Line, dict[str, str]]) -> None:
    """Database, keys and guard can be read by nobody else."""
    line, _ = founded
    made = [path for path in line.data_dir.rglob("*") if path.is_file()]

    assert {"caretrail.db", "root.key", "signing.key"} <= {path.name for path in made}
    assert [] == [path for path in made if stat.S_IMODE(path.stat().st_mode) & 0o077]


def test_init_is_refused_where_an_organisation_is(founded: tuple[Line, dict[str, str]]) -> None:
    """A second `init` makes nothing and names the command that would."""
    line, _ = founded
    told = line.run("init", "--organisation", "Second Care", "--admin", "other.sample")

    assert (2, "") == (told.code, told.out)
    assert "caretrail organisation add" in told.err


def test_organisation_add_makes_another(founded: tuple[Line, dict[str, str]]) -> None:
    """Another organisation has an id, a user and a verifier key of its own."""
    line, first = founded
    told = line.run("organisation", "add", "--organisation", "Other Care", "--admin", "o.sample", "--json")

    assert 0 == told.code
    assert first["organisation_id"] != told.json["organisation_id"]
    assert first["verifier_key"] != told.json["verifier_key"]


@pytest.mark.parametrize(("name", "admin"), [("Third Care", " MARIA.Sample "), ("", "new"), ("Care", "")])
def test_refused_names_leave_no_organisation(
    founded: tuple[Line, dict[str, str]], name: str, admin: str
) -> None:
    """A user name that is taken, in whatever spelling, or a name that is empty makes no organisation."""
    line, _ = founded
    before = len(line.run("keys", "status", "--json").json["organisations"])
    told = line.run("organisation", "add", "--organisation", name, "--admin", admin)

    assert (1, "") == (told.code, told.out)
    assert before == len(line.run("keys", "status", "--json").json["organisations"])


def test_keys_status_shows_no_key(founded: tuple[Line, dict[str, str]]) -> None:
    """The state of the keys is told without anything of them."""
    line, told = founded
    state = line.run("keys", "status", "--json")

    assert told["organisation_id"] in {one["id"] for one in state.json["organisations"]}
    for name in ("root.key", "signing.key"):
        assert (line.data_dir / "keys" / name).read_text().strip() not in state.out + state.err


def test_broken_off_init_goes_on(line: Line) -> None:
    """Keys that a broken-off run left are taken up, and what they bind is the same again."""
    assert 0 == line.run("init", "--organisation", "First", "--admin", "a.sample").code
    root = (line.data_dir / "keys" / "root.key").read_text()
    for path in (*line.data_dir.glob("caretrail.db*"), *(line.data_dir / "guard").rglob("*.*")):
        path.unlink()
    told = line.run("init", "--organisation", "Again", "--admin", "a.sample", "--json")

    assert 0 == told.code, told.err
    assert root == (line.data_dir / "keys" / "root.key").read_text()


LOST: dict[str, Callable[[Path], None]] = {
    "gone": Path.unlink,
    "cut to nothing": lambda file: file.write_bytes(b""),
    "without a table": lambda file: _without_a_table(file),
}


def _without_a_table(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA journal_mode = WAL")


@pytest.mark.parametrize("how", LOST)
@pytest.mark.parametrize(
    "command", [("init", "--organisation", "Again", "--admin", "b.sample"), ("migrate",)]
)
def test_nothing_is_made_where_a_database_is_lost(line: Line, command: tuple[str, ...], how: str) -> None:
    """Where the guard knows of a database that is not there, neither keys nor tables are made beside it."""
    assert 0 == line.run("init", "--organisation", "First", "--admin", "a.sample").code
    LOST[how](line.data_dir / "caretrail.db")
    shutil.rmtree(line.data_dir / "keys")
    before = _sizes(line.data_dir)
    told = line.run(*command)

    assert (2, True) == (told.code, "but there was one" in told.err), told.err
    assert before == _sizes(line.data_dir)


def _sizes(folder: Path) -> dict[Path, int]:
    """Return what lies in a folder, without what SQLite keeps beside a file while it looks into it."""
    found = [path for path in folder.rglob("*") if not path.name.startswith("caretrail.db-")]
    return {path: path.stat().st_size for path in found if path.is_file()}


def test_an_empty_database_is_not_bound_where_one_is_lost(line: Line) -> None:
    """Tables that were made in its place hold nothing afterwards: no keys, no chain."""
    assert 0 == line.run("init", "--organisation", "First", "--admin", "a.sample").code
    for path in line.data_dir.glob("caretrail.db*"):
        path.unlink()
    guard = (line.data_dir / "guard").rename(line.data_dir / "aside")
    assert 0 == line.run("migrate").code
    shutil.copytree(guard, line.data_dir / "guard", dirs_exist_ok=True)
    told = line.run("init", "--organisation", "Again", "--admin", "a.sample")

    assert (2, True) == (told.code, "but there was one" in told.err), told.err
    with closing(sqlite3.connect(line.data_dir / "caretrail.db")) as database:
        counts = [database.execute(f"SELECT count(*) FROM {one}") for one in ("key_check", "audit_head")]
        assert [(0,), (0,)] == [one.fetchone() for one in counts]


def test_no_table_is_made_in_the_place_of_one_that_is_lost(line: Line) -> None:
    """A file with tables of something else, or of an older version, stays as it is, and no key is made."""
    assert 0 == line.run("init", "--organisation", "First", "--admin", "a.sample").code
    for path in (*line.data_dir.glob("caretrail.db*"), *(line.data_dir / "keys").glob("*.key")):
        path.unlink()
    with closing(sqlite3.connect(line.data_dir / "caretrail.db")) as database:
        database.execute("CREATE TABLE other (id)")
    told = line.run("init", "--organisation", "Again", "--admin", "b.sample")

    assert (2, True) == (told.code, "but there was one" in told.err), told.err
    with closing(sqlite3.connect(line.data_dir / "caretrail.db")) as database:
        assert [("other",)] == database.execute("SELECT name FROM sqlite_master").fetchall()
    assert [] == list((line.data_dir / "keys").glob("*.key"))


@pytest.mark.parametrize(
    ("name", "admin", "option"), [("", "a.sample", "organisation"), ("Care", "é", "admin")]
)
def test_names_are_looked_at_before_anything_is_made(line: Line, name: str, admin: str, option: str) -> None:
    """A name that will not do is told by its option, and `init` leaves no keys and no database."""
    told = line.run("init", "--organisation", name, "--admin", admin)

    assert (1, True) == (told.code, told.err.startswith(f"caretrail: --{option}: ")), told.err
    assert not line.data_dir.exists()


def test_lost_keys_are_not_made_anew(line: Line) -> None:
    """A founded database whose keys are gone is refused; new keys would open nothing."""
    assert 0 == line.run("init", "--organisation", "First", "--admin", "a.sample").code
    (line.data_dir / "keys" / "root.key").unlink()
    told = line.run("init", "--organisation", "Second", "--admin", "b.sample")

    assert 2 == told.code
    assert "root.key" in told.err
    assert not (line.data_dir / "keys" / "root.key").exists()


def test_serve_before_init_says_what_to_do(line: Line) -> None:
    """An empty data directory is not served; the message names `caretrail init`."""
    told = line.run("serve")

    assert (2, "") == (told.code, told.out)
    assert "caretrail init" in told.err


def test_migrate_tells_from_where_to_where(line: Line) -> None:
    """A first run tells the new revision, a second that nothing was to be done."""
    assert f"the schema is at {head_revision()} (it was at nothing)\n" == line.run("migrate").out
    assert f"the schema is at {head_revision()}\n" == line.run("migrate").out


@pytest.fixture
def postgresql(postgresql_url: str, worker_id: str) -> Database:
    """An empty PostgreSQL database."""
    return make_database(postgresql_url, f"founding_{worker_id}")


def test_postgresql_has_two_log_ins(postgresql: Database, tmp_path: Path) -> None:
    """The owner migrates, the service's log-in founds; the owner is refused to serve."""
    owner = {"CARETRAIL_DATABASE_URL": postgresql.owner}
    line = Line(tmp_path / "data", {"CARETRAIL_DATABASE_URL": postgresql.service})
    assert 2 == line.run("init", "--organisation", "Sample", "--admin", "a.sample").code
    assert 0 == Line(tmp_path / "data", owner).run("migrate").code
    told = line.run("init", "--organisation", "Sample", "--admin", "a.sample", "--json")

    assert 0 == told.code, told.err
    assert 0 == line.run("audit", "verify").code
    refused = Line(tmp_path / "data", owner).run("serve")
    assert (2, "") == (refused.code, refused.out)
    assert "owner of the trail" in refused.err


REFUSED_URLS: dict[str, Callable[[str], bool]] = {
    "postgresql+psycopg://service:hunter2@db.example/care": lambda err: "sslmode=verify-full" in err,
    "postgresql+psycopg://service:hunter2@127.0.0.1:1/care": lambda err: "cannot be used" in err,
    "mysql://service:hunter2@localhost/care": lambda err: "SQLite and PostgreSQL" in err,
    "service:hunter2": lambda err: "not a database URL" in err,
    "postgresql+psycopg://service:hunter2@127.0.0.1:port/care": lambda err: "not a database URL" in err,
    "postgresql+psycopg://service:hunter2@[::1/care": lambda err: "not a database URL" in err,
    "postgresql+psycopg://service:x@hunter2@127.0.0.1/care": lambda err: "percent-encoded" in err,
    "postgresql+psycopg://service:hunter2@localhost/care?ssl_mode=x": lambda err: '"ssl_mode"' in err,
}


@pytest.mark.parametrize("url", REFUSED_URLS)
def test_database_that_cannot_be_used(founded: tuple[Line, dict[str, str]], url: str) -> None:
    """A database that is unprotected, unreachable or unknown is refused in one sentence, no traceback."""
    line = Line(founded[0].data_dir, {"CARETRAIL_DATABASE_URL": url})
    told = line.run("keys", "status")

    assert (2, "") == (told.code, told.out)
    assert 1 == told.err.count("\n"), told.err
    assert REFUSED_URLS[url](told.err)
    assert "hunter2" not in told.err
