"""Following the database: a keyring goes on only while a root key it has is the one in force."""

from collections.abc import Callable

from sqlalchemy import Connection, delete, insert, select, update

from app.core.errors import AuditUnavailableError
from app.vault.keyring import KEEP_FOR, Keyring
from app.vault.root import LocalRoot
from app.vault.table import key_check
from tests.support.world import World

KEYS = ("_organisations", "_owners", "_derived")


class AnyOwner:
    """A receipt that covers everybody."""

    def covers(self, _org: str, _owner: str) -> bool:
        return True


def follows(ring: Keyring, world: World) -> Callable[[Connection], bool]:
    """Return the following of a database now."""
    return lambda connection: ring.follow(connection, world.now)


def used(ring: Keyring, world: World, owner: str = "resident-1") -> Callable[[Connection], None]:
    """Return the use of an organisation's key, of one derived from it, and of an owner's."""

    def use(connection: Connection) -> None:
        key = ring.organisation(connection, world.org, world.now)
        ring.derived(connection, world.org, "address", world.now)
        _, wrapped = ring.new_owner(key, world.org, owner)
        ring.owner(AnyOwner(), key, world.org, owner, wrapped, world.now)

    return use


def kept(ring: Keyring) -> list[int]:
    """Return how many keys of each kind are in memory."""
    return [len(getattr(ring, name)) for name in KEYS]


def owners(ring: Keyring) -> set[str]:
    """Return whose keys are in memory."""
    return {owner for owner, _ in ring._owners}


def test_a_database_without_its_check_value_is_not_followed(tmp_path):
    """Where nothing says which root key is in force none is; it goes on when that is said again."""
    with World.at(tmp_path) as world:
        ring = world.keyring
        (row,) = world.looking(lambda c: [dict(r._mapping) for r in c.execute(select(key_check))])
        assert (True, False) == (world.looking(follows(ring, world)), ring.outdated)

        world.looking(lambda c: c.execute(delete(key_check)))

        assert (False, True) == (world.looking(follows(ring, world)), ring.outdated)
        refused = world.looking(lambda c: _refused(world, c))
        assert "root-key-changed" == refused.why
        world.looking(lambda c: c.execute(insert(key_check).values(row)))
        assert (True, False) == (world.looking(follows(ring, world)), ring.outdated)


def test_a_database_under_another_root_key_is_not_followed(tmp_path):
    """A check value that is another root key's stops everything until it is this one's."""
    with World.at(tmp_path) as world:
        world.looking(lambda c: c.execute(update(key_check).values(value=b"x" * 32)))

        assert (False, True) == (world.looking(follows(world.keyring, world)), world.keyring.outdated)


def test_nothing_unwrapped_outlives_the_root_key_it_was_wrapped_under(tmp_path):
    """When another root key is in force all unwrapped keys are dropped, whether that one is here or not."""
    with World.at(tmp_path) as world:
        others: list[LocalRoot] = []
        ring = Keyring(world._root, world.entropy, others=lambda: others)
        assert world.looking(follows(ring, world))
        world.looking(used(ring, world))
        assert [1, 1, 1] == kept(ring)
        assert world.looking(follows(ring, world))
        assert [1, 1, 1] == kept(ring)

        to_come = LocalRoot(bytes(32), world.entropy)
        world.looking(lambda connection: ring.wrap_anew(connection, to_come))
        assert not world.looking(follows(ring, world))
        assert [0, 0, 0] == kept(ring)

        others.append(to_come)
        assert world.looking(follows(ring, world))
        world.looking(used(ring, world))
        assert [1, 1, 1] == kept(ring)
        back = LocalRoot(world._root, world.entropy)
        world.looking(lambda connection: ring.wrap_anew(connection, back))
        others.append(back)
        assert world.looking(follows(ring, world))
        assert [0, 0, 0] == kept(ring)


def test_nothing_unwrapped_is_kept_where_no_root_key_is_in_force(tmp_path):
    """At the very first look, too: what was unwrapped before it is dropped."""
    with World.at(tmp_path) as world:
        ring = Keyring(world._root, world.entropy)
        world.looking(used(ring, world))
        world.looking(lambda connection: connection.execute(delete(key_check)))

        assert not world.looking(follows(ring, world))
        assert [0, 0, 0] == kept(ring)


def test_an_owners_key_is_forgotten_when_its_time_is_over_though_nobody_comes(tmp_path):
    """Following is enough: an idle process keeps the key of somebody erased ten minutes and no longer."""
    with World.at(tmp_path) as world:
        ring = Keyring(world._root, world.entropy)
        world.looking(follows(ring, world))
        world.looking(used(ring, world, "resident-1"))
        world.pass_time(seconds=KEEP_FOR.total_seconds() - 1)
        world.looking(used(ring, world, "resident-2"))
        world.looking(follows(ring, world))
        assert {"resident-1", "resident-2"} == owners(ring)

        world.pass_time(seconds=1)
        world.looking(follows(ring, world))
        assert {"resident-2"} == owners(ring)


def test_renewing_an_organisations_key_does_not_keep_its_owners(tmp_path):
    """Where the organisation's key never runs out, those of the people still do."""
    with World.at(tmp_path) as world:
        ring = Keyring(world._root, world.entropy)
        world.looking(follows(ring, world))
        world.looking(used(ring, world))
        for _ in range(12):
            world.pass_time(minutes=1)
            ring.renew(world.org, world.now)
            world.looking(follows(ring, world))

        assert ([1, 0, 1], set()) == (kept(ring), owners(ring))


def test_a_check_with_a_keyring_of_its_own_forgets_them_too(tmp_path):
    """Whoever reads without the door follows nothing; it forgets when it unwraps an organisation's key."""
    with World.at(tmp_path) as world:
        ring = Keyring(world._root, world.entropy)
        world.looking(used(ring, world))
        world.pass_time(seconds=KEEP_FOR.total_seconds())
        ring.organisation_from(world.org, ring._wrapped[world.org], world.now)

        assert set() == owners(ring)


def _refused(world: World, connection) -> AuditUnavailableError:
    try:
        world.keyring.organisation(connection, world.org, world.now)
    except AuditUnavailableError as refused:
        return refused
    raise AssertionError("it handed out a key")
