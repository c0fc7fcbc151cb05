"""Two people run `keys rotate root` at once: each has its turn, and nothing is left half-way."""

from app.vault.root_files import NEXT_ROOT
from tests.unit.commands.places import Place

ROUNDS, AT_MOST_S = 3, 240


def root(place: Place) -> str:
    told = place.line.run("keys", "status", "--json")
    assert 0 == told.code, told.err
    return told.json["root_key_id"]


def test_rotations_at_once_come_one_after_the_other(place: Place) -> None:
    """Both succeed, the key of each is kept aside, none waits to be used, and every row still agrees."""
    keys = place.line.data_dir / "keys"
    seen = {root(place)}
    for _ in range(ROUNDS):
        both = [place.line.start("keys", "rotate", "root") for _ in range(2)]
        told = [process.communicate(timeout=AT_MOST_S) for process in both]

        assert [0, 0] == [process.returncode for process in both], told
        assert not (keys / NEXT_ROOT).exists()
        seen.add(root(place))
    assert ROUNDS + 1 == len(seen)
    assert 2 * ROUNDS == len(list(keys.glob("root-*.retired.key")))
    assert 0 == place.line.run("audit", "verify", "--state").code
