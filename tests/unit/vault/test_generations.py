"""An organisation's key of several generations: what seals, what opens, what is derived."""

import pytest

from app.core.entropy import SystemEntropy
from app.core.errors import SealBrokenError
from app.vault.generations import OrganisationKey, generation_of, header
from app.vault.sealing import DataKey, Place

ENTROPY = SystemEntropy()
FIRST, SECOND, THIRD = (bytes([n]) * 32 for n in (1, 2, 3))
PLACE = Place("org", "owner", "row", "field", 1)


def test_the_newest_seals_and_each_opens():
    """A box names its generation, and opens with a key that has further ones."""
    first = OrganisationKey({1: FIRST}, ENTROPY)
    second = OrganisationKey({1: FIRST, 2: SECOND}, ENTROPY)
    third = OrganisationKey({1: FIRST, 2: SECOND, 3: THIRD}, ENTROPY)
    boxes = [key.seal(b"secret", PLACE) for key in (first, second, third)]

    assert [1, 2, 3] == [generation_of(box) for box in boxes]
    assert [b"secret"] * 3 == [third.unseal(box, PLACE) for box in boxes]
    assert b"secret" == DataKey(FIRST, ENTROPY).unseal(boxes[0], PLACE)


def test_no_byte_of_a_later_box_can_be_changed():
    """The generation is bound like the place: a box that names another one does not open."""
    key = OrganisationKey({1: FIRST, 2: SECOND, 3: SECOND}, ENTROPY)
    box = OrganisationKey({1: FIRST, 2: SECOND}, ENTROPY).seal(b"secret", PLACE)
    changed = [bytes([*box[:n], box[n] ^ 1, *box[n + 1 :]]) for n in range(len(box))]
    changed += [b"", b"\x02", box[:5], box[:-1], box + b"\0", header(3) + box[5:], b"\x01" + box[5:]]

    for one in changed:
        with pytest.raises(SealBrokenError):
            key.unseal(one, PLACE)
    with pytest.raises(SealBrokenError):
        key.unseal(box, PLACE._replace(row="other"))


def test_what_is_derived_stays():
    """Digests of rows and keys of blind indexes come from the first generation, whichever seals."""
    before, after = OrganisationKey({1: FIRST}, ENTROPY), OrganisationKey({1: FIRST, 2: SECOND}, ENTROPY)

    assert before.derive("purpose") == after.derive("purpose")
    assert before.state("table", ["row"]) == after.state("table", ["row"])


def test_an_unknown_generation_is_asked_for_once_and_taken_up():
    """A key that meets a box of a later generation asks for it, and seals under it from then on."""
    asked = []

    def more():
        asked.append(1)
        return {1: FIRST, 2: SECOND}

    key = OrganisationKey({1: FIRST}, ENTROPY, more=more)
    box = OrganisationKey({1: FIRST, 2: SECOND}, ENTROPY).seal(b"secret", PLACE)

    assert b"secret" == key.unseal(box, PLACE)
    assert (2, [1]) == (generation_of(key.seal(b"more", PLACE)), asked)
    with pytest.raises(SealBrokenError):
        key.unseal(header(9) + box[5:], PLACE)


def test_a_key_tells_what_it_sealed_under():
    """Whoever has to know under which generation something was sealed is told at once."""
    told = []
    key = OrganisationKey({1: FIRST, 2: SECOND}, ENTROPY, told.append)
    key.wrap(b"k" * 32, PLACE)

    assert [2] == told
