"""Following the database: a keyring goes on only while a root key it has is the one in force."""

from sqlalchemy import delete, insert, select, update

from app.core.errors import AuditUnavailableError
from app.vault.table import key_check
from tests.support.world import World


def test_a_database_without_its_check_value_is_not_followed(tmp_path):
    """Where nothing says which root key is in force none is; it goes on when that is said again."""
    with World.at(tmp_path) as world:
        ring = world.keyring
        (row,) = world.looking(lambda c: [dict(r._mapping) for r in c.execute(select(key_check))])
        assert (True, False) == (world.looking(ring.follow), ring.outdated)

        world.looking(lambda c: c.execute(delete(key_check)))

        assert (False, True) == (world.looking(ring.follow), ring.outdated)
        refused = world.looking(lambda c: _refused(world, c))
        assert "root-key-changed" == refused.why
        world.looking(lambda c: c.execute(insert(key_check).values(row)))
        assert (True, False) == (world.looking(ring.follow), ring.outdated)


def test_a_database_under_another_root_key_is_not_followed(tmp_path):
    """A check value that is another root key's stops everything until it is this one's."""
    with World.at(tmp_path) as world:
        world.looking(lambda c: c.execute(update(key_check).values(value=b"x" * 32)))

        assert (False, True) == (world.looking(world.keyring.follow), world.keyring.outdated)


def _refused(world: World, connection) -> AuditUnavailableError:
    try:
        world.keyring.organisation(connection, world.org, world.now)
    except AuditUnavailableError as refused:
        return refused
    raise AssertionError("it handed out a key")
