"""On PostgreSQL a line is taken only where it continues its chain, whoever brings it."""

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError

from app.audit import definition_guard, line, log, merkle, protection, table
from app.audit.entry import Draft
from app.audit.partitions import WIDTH, partitions
from app.core.clock import spell
from app.storage import together
from app.storage.engine import open_engine
from app.storage.migration import migrate
from tests.support.chains import ORG, OTHER, START, Chains, event, on_postgresql
from tests.support.postgresql import make_database

INSERT = text("INSERT INTO audit_event (org, seq, line, leaf) VALUES (:org, :seq, :line, :leaf)")
GENESIS = bytes.fromhex(line.genesis(ORG))


@pytest.fixture
def chains(postgresql_url, worker_id):
    """Three lines of a chain, and another chain without any."""
    made = on_postgresql(postgresql_url, f"chains_{worker_id}")
    made.found(ORG, OTHER)
    made.append(3)
    yield made
    made.engine.dispose()


@pytest.fixture(scope="module")
def migrated(postgresql_url, worker_id):
    """A database that a superuser migrated."""
    database = make_database(postgresql_url, f"linking_{worker_id}")
    engine = open_engine(database.superuser, patient=True)
    migrate(engine)
    yield database
    engine.dispose()


def row(seq: int, before: bytes, org: str = ORG, **other: object) -> dict[str, object]:
    """Return a genuine line at a place, or one that is stored as something else."""
    spelled = line.splice(org, seq, spell(START), before.hex(), b'{"act":"record.read"}')
    return {"org": org, "seq": seq, "line": spelled, "leaf": merkle.leaf_hash(spelled)} | other


def newest(chains: Chains) -> bytes:
    with chains.turn() as connection:
        leaf = connection.execute(text("SELECT leaf FROM audit_head WHERE org = :org"), {"org": ORG})
        return bytes(leaf.scalar_one())


def refusal(chains: Chains, *rows: dict[str, object], first: str = "SELECT 1") -> str:
    with pytest.raises(DBAPIError) as caught, chains.turn() as connection:
        connection.execute(text(first))
        for one in rows:
            connection.execute(INSERT, one)
    return str(caught.value.orig)


WRONG = {
    "far beyond the head": lambda leaf: row(9_999, leaf),
    "one beyond the head": lambda leaf: row(4, leaf),
    "below the first": lambda leaf: row(-1, leaf),
    "another leaf before": lambda leaf: row(3, GENESIS),
    "another leaf beside": lambda leaf: row(3, leaf, leaf=leaf),
    "another number inside": lambda leaf: row(7, leaf) | {"seq": 3},
    "another chain inside": lambda leaf: row(3, leaf, OTHER) | {"org": ORG},
    "another chain's end": lambda leaf: row(3, leaf, OTHER),
    "no line at all": lambda leaf: row(3, leaf, line=b"line"),
    "a first line of nobody's chain": lambda leaf: row(0, GENESIS, "nobody"),
    "a first line after another start": lambda leaf: row(0, GENESIS, OTHER),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_line_that_does_not_continue_its_chain_is_refused(chains, wrong):
    """A line with another number, chain, leaf or predecessor than the next one's is refused."""
    told = refusal(chains, WRONG[wrong](newest(chains)))

    assert protection.REFUSED in told
    assert "is not the next line or does not continue the one before" in told


def test_a_chain_begins_only_once(chains):
    """Where the first lines are gone, none is written in their place, though it fits the chain's start."""
    chains.tamper("DELETE FROM audit_event WHERE seq = 0")

    assert protection.REFUSED in refusal(chains, row(0, GENESIS))


def test_the_next_line_is_taken(chains):
    """A line that continues the chain passes, and so does the one after it in the same transaction."""
    third = row(3, newest(chains))
    fourth = row(4, third["leaf"])
    with chains.turn() as connection:
        for one in (third, fourth, row(0, bytes.fromhex(line.genesis(OTHER)), OTHER)):
            connection.execute(INSERT, one)

    assert "#5 is not" in refusal(chains, row(5, third["leaf"]))


def test_many_lines_of_one_statement_are_each_held_against_the_one_before(chains):
    """In one INSERT of several lines each sees those before it; one wrong line refuses all."""
    third = row(3, newest(chains))
    wrong = [third, row(4, third["leaf"]), row(5, third["leaf"])]
    with pytest.raises(DBAPIError, match="#5 is not"), chains.turn() as connection:
        together.write(connection, insert(table.event), wrong)
    with chains.turn() as connection:
        stamps = log.append(connection, [Draft(ORG, event(n)) for n in range(70)], START)

    assert [*range(3, 73)] == [stamp.seq for stamp in stamps]


@pytest.mark.parametrize(
    "first", ["SET LOCAL session_replication_role = replica", "CREATE TEMP TABLE mine (n int)"]
)
def test_no_setting_of_the_session_switches_it_off(chains, first):
    """Neither a replica's session nor one with tables of its own before the partitions gets past it."""
    good = row(3, newest(chains))
    wrong = row(3, GENESIS)

    assert protection.REFUSED in refusal(chains, wrong, first=first)
    if "TEMP" in first:
        assert protection.REFUSED in refusal(chains, good, first=first)


def test_a_partition_takes_no_line_past_its_parent_either(chains):
    """Who inserts straight into a partition meets the same trigger."""
    with pytest.raises(DBAPIError, match=protection.REFUSED), chains.turn() as connection:
        connection.execute(text(str(INSERT).replace("audit_event", "audit_event_p0")), row(3, GENESIS))


@pytest.mark.parametrize("seq", [WIDTH, 2 * WIDTH, len(partitions()[1:]) * WIDTH, 10 * WIDTH])
def test_the_first_line_of_a_partition_continues_the_last_of_the_one_before(chains, seq):
    """At the edge of a partition, and past the last range, the line before is found as anywhere else."""
    last = row(seq - 1, GENESIS)
    chains.tamper(INSERT.text, **last)

    assert protection.REFUSED in refusal(chains, row(seq, GENESIS))
    with chains.turn() as connection:
        connection.execute(INSERT, row(seq, last["leaf"]))


def test_the_service_is_refused_a_far_line(migrated):
    """The service's own log-in, which may add lines, can add none but the next."""
    with open_engine(migrated.service).connect() as connection:
        with pytest.raises(DBAPIError, match="not the next line"):
            connection.execute(INSERT, row(9_999, GENESIS))
        connection.rollback()
        with pytest.raises(DBAPIError, match="permission denied for table audit_event_p0"):
            connection.execute(text(str(INSERT).replace("audit_event", "audit_event_p0")), row(0, GENESIS))


# --- definitions, where a superuser migrated ----------------------------------------------------------

DEFINITIONS = [
    "ALTER TABLE audit_event DETACH PARTITION audit_event_p3",
    "DROP TABLE audit_event_p3",
    "DROP TABLE audit_checkpoint",
    "ALTER TABLE audit_event_p0 DISABLE TRIGGER audit_event_change",
    "ALTER TABLE audit_value DISABLE TRIGGER ALL",
    "ALTER TABLE audit_event RENAME TO gone",
    "ALTER TABLE audit_name DROP COLUMN ct",
    "ALTER TABLE audit_name DROP CONSTRAINT pk_audit_name",
    "DROP TRIGGER audit_event_change ON audit_event",
    "ALTER TRIGGER audit_head_growth ON audit_head RENAME TO other",
    "CREATE TABLE more PARTITION OF audit_event FOR VALUES FROM (67108864) TO (67108865)",
    "CREATE RULE swallow AS ON INSERT TO audit_event DO INSTEAD NOTHING",
    "CREATE POLICY hidden ON audit_event USING (false)",
    "DROP FUNCTION caretrail_refuse_change CASCADE",
    "ALTER FUNCTION caretrail_refuse_shrinking() SECURITY DEFINER",
]


@pytest.mark.parametrize("statement", DEFINITIONS)
def test_definitions_are_changed_by_migrations_only(migrated, statement):
    """Where event triggers stand, even a superuser has to say that it is a migration first."""
    engine = open_engine(migrated.superuser)
    with engine.connect() as connection:
        with pytest.raises(DBAPIError, match="changed by migrations only"):
            connection.execute(text(statement))
        connection.rollback()
        connection.execute(text(f"SET LOCAL {definition_guard.ALLOWED} = 'on'"))
        connection.execute(text(statement))
        connection.rollback()
    engine.dispose()


def test_what_is_not_of_the_trail_is_left_alone(migrated):
    """Other tables, temporary ones included, are made and dropped as ever."""
    with open_engine(migrated.superuser).connect() as connection:
        for statement in (
            "CREATE TABLE mine (n int)",
            "ALTER TABLE mine ADD COLUMN m int",
            "DROP TABLE mine",
            "CREATE TEMP TABLE audit_mine (n int)",
            "DROP TABLE audit_mine",
            "REINDEX TABLE audit_name",
        ):
            connection.execute(text(statement))
        connection.rollback()


def test_the_migration_makes_these_event_triggers(migrated):
    """What a superuser's migration leaves behind is what the code compares with."""
    catalogue = text(
        "SELECT evtname, evtevent, evtenabled::text, prosrc FROM pg_event_trigger e"
        " JOIN pg_proc p ON p.oid = evtfoid ORDER BY 1"
    )
    with open_engine(migrated.superuser).connect() as connection:
        found = connection.execute(catalogue).all()
        connection.execute(text(f"SET LOCAL {definition_guard.ALLOWED} = 'on'"))
        connection.execute(text(f"DROP FUNCTION {definition_guard.FUNCTION} CASCADE"))
        for statement in definition_guard.statements():
            connection.execute(text(statement))
        assert found == connection.execute(catalogue).all()
        connection.rollback()

    assert 2 == len(found)
