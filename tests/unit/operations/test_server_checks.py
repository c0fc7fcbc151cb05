"""What the doctor says where a database has several servers."""

from app.operations.finding import failed, ok
from app.operations.server_checks import among_servers
from app.storage.servers import Address, ServerState

ALDER = ServerState(Address("alder", "5432"), "primary", timeline=3)
BIRCH = ServerState(Address("birch", "5432"), "primary", timeline=4)
CEDAR = ServerState(Address("cedar", "5432"), "standby")
AWAY = ServerState(Address("alder", "5432"), "unreachable")
WELL = [ok("database", "it answers"), ok("replication", "2 standbys"), ok("clock", "right")]
SET_BACK = failed("trail", "ROLLBACK: the guard knows more", "Put the newer back.", stops=True)
DOWN = failed("database", "it cannot be read", "Start it.", stops=True)


def test_one_server_changes_nothing():
    assert WELL == among_servers(WELL, []) == among_servers(WELL, [ALDER])


def test_the_server_that_is_used_is_named():
    """It is the one that takes writes on the newest timeline."""
    found = among_servers(WELL, [ALDER, BIRCH, CEDAR])
    assert "birch:5432 answers, one of 3 servers" == found[0].told
    assert WELL[2] == found[2]


def test_two_that_take_writes_have_failed():
    found = among_servers(WELL, [ALDER, BIRCH, CEDAR])[1]
    assert ("replication", "failed", False) == (found.name, found.result, found.stops)
    assert "alder:5432 on timeline 3, birch:5432 on timeline 4" in found.told
    assert WELL[1] == among_servers(WELL, [ALDER, CEDAR])[1]


def test_a_database_set_back_sends_to_the_other_servers_first():
    """The lines may stand on another server: a recovery that is recorded would give them up."""
    (found,) = among_servers([SET_BACK], [ALDER, CEDAR])
    assert (SET_BACK.told, True) == (found.told, found.stops)
    assert found.advice.startswith("Another of the servers may have every line")
    assert found.advice.endswith("Only if none has: Put the newer back.")


def test_a_primary_that_is_gone_is_not_a_backup_to_bring_back():
    (found,) = among_servers([DOWN], [AWAY, CEDAR])
    assert "promote a standby" in found.advice
    assert DOWN.told == found.told
