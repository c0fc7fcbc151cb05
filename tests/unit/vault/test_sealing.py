"""Boxes that open only in their place."""

import hmac
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.access.receipt import Receipt
from app.core.entropy import SystemEntropy
from app.core.errors import SealBrokenError, StartRefusedError
from app.vault.keyring import KEEP_FOR, Keyring, ReceiptMissingError
from app.vault.provider import FileKeys
from app.vault.sealing import DataKey, Place, StateKey

ENTROPY = SystemEntropy()
KEY = DataKey(b"k" * 32, ENTROPY)
PLACE = Place("org", "owner", "row", "body", 3)
ELSEWHERE = [
    PLACE._replace(org="other"),
    PLACE._replace(owner="other"),
    PLACE._replace(row="other"),
    PLACE._replace(field="other"),
    PLACE._replace(version=2),
]


@given(st.binary(max_size=200))
def test_a_box_gives_back_what_was_sealed(plain):
    """Sealing and unsealing in one place change nothing."""
    assert plain == KEY.unseal(KEY.seal(plain, PLACE), PLACE)


@pytest.mark.parametrize("place", ELSEWHERE)
def test_a_box_moved_elsewhere_does_not_open(place):
    """Organisation, owner, row, field and version are bound into the box."""
    with pytest.raises(SealBrokenError):
        KEY.unseal(KEY.seal(b"secret", PLACE), place)


def test_the_members_of_a_place_do_not_flow_into_each_other():
    """A letter moved from one member to the next makes another place, which a box does not open in."""
    assert PLACE.bound() == b"org\0owner\0row\0body\x003"
    moved = Place("or", "gowner", "row", "body", 3), Place("org", "owner", "rowb", "ody", 3)

    for place in (*moved, Place("org", "owner", "row", "body3", 3), Place("org", "owne", "rrow", "body", 3)):
        with pytest.raises(SealBrokenError):
            KEY.unseal(KEY.seal(b"secret", PLACE), place)


def test_a_digest_of_a_row_is_what_it_always_was():
    """HMAC-SHA256 over the table's name, NUL and the row as JSON, with bytes in hexadecimal digits."""
    row = ["id", 3, None, True, b"\x00\xff"]
    message = b'record\0["id",3,null,true,"00ff"]'

    assert hmac.digest(b"s" * 32, message, "sha256") == StateKey(b"s" * 32).state("record", row)
    assert (
        KEY.state("record", row).hex() == "1d4647da3a9009a0e4cc2a982e6c1158b63b73103a94afc8cd4b11bc909be991"
    )
    assert KEY.state("record", row) != KEY.state("record_version", row)


@pytest.mark.parametrize("length", [2030, 2040, 2046, 2047, 2048, 4080, 4094, 4095, 20_000])
def test_a_digest_of_a_long_row_is_what_it_always_was(length):
    """However long it is, and whoever makes it."""
    row = ["x" * length, b"y"]
    message = b'record\0["' + b"x" * length + b'","79"]'

    assert hmac.digest(b"s" * 32, message, "sha256") == StateKey(b"s" * 32).state("record", row)


def test_every_changed_byte_breaks_the_seal():
    """No byte of a box can be changed, cut or added unnoticed."""
    box = KEY.seal(b"secret", PLACE)
    broken = [bytes([*box[:n], box[n] ^ 1, *box[n + 1 :]]) for n in range(len(box))]
    broken += [box[:-1], box + b"\0", b"", b"\x01"]

    for one in broken:
        with pytest.raises(SealBrokenError):
            KEY.unseal(one, PLACE)


def test_two_boxes_of_one_value_differ():
    """Nonces are random, so equal values cannot be told by their boxes."""
    assert KEY.seal(b"same", PLACE) != KEY.seal(b"same", PLACE)


def test_a_key_does_not_show_itself():
    """The representation of a key holds nothing of it."""
    assert "kkk" not in repr(KEY)


def test_the_keyring_hands_out_no_key_without_a_receipt():
    """A receipt covers the owners the decision was about, while its turn lasts."""
    ring = Keyring(b"r" * 32, ENTROPY)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    _, wrapped = ring.new_owner(KEY, "org", "resident-1")
    receipt = Receipt()
    with pytest.raises(ReceiptMissingError):
        ring.owner(receipt, KEY, "org", "resident-1", wrapped, at)
    receipt.extend("org", "resident-1")

    assert isinstance(ring.owner(receipt, KEY, "org", "resident-1", wrapped, at), DataKey)
    receipt.close()
    with pytest.raises(ReceiptMissingError):
        ring.owner(receipt, KEY, "org", "resident-1", wrapped, at + timedelta(seconds=1))


def test_a_wrapped_key_belongs_to_its_owner():
    """A wrapped key put on another resident's row does not open."""
    ring = Keyring(b"r" * 32, ENTROPY)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    _, wrapped = ring.new_owner(KEY, "org", "resident-1")
    receipt = Receipt()
    receipt.extend("org", "resident-1")
    receipt.extend("org", "resident-2")
    ring.owner(receipt, KEY, "org", "resident-1", wrapped, at)

    with pytest.raises(SealBrokenError):
        ring.owner(receipt, KEY, "org", "resident-2", wrapped, at)


def test_an_owner_key_is_kept_for_its_time_and_no_longer():
    """After that it is unwrapped anew, and whoever cannot do so has no key any more."""
    ring = Keyring(b"r" * 32, ENTROPY)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    _, wrapped = ring.new_owner(KEY, "org", "resident-1")
    receipt = Receipt()
    receipt.extend("org", "resident-1")
    kept = ring.owner(receipt, KEY, "org", "resident-1", wrapped, at)
    unfit = DataKey(b"u" * 32, ENTROPY)
    last = at + KEEP_FOR - timedelta(microseconds=1)

    assert kept is ring.owner(receipt, unfit, "org", "resident-1", wrapped, last)
    with pytest.raises(SealBrokenError):
        ring.owner(receipt, unfit, "org", "resident-1", wrapped, at + KEEP_FOR)
    with pytest.raises(SealBrokenError):
        ring.state_key(unfit, "org", "resident-1", wrapped, at + KEEP_FOR)


def test_a_key_file_others_can_read_is_refused(tmp_path):
    """A key that may have leaked protects nothing."""
    keys = FileKeys(tmp_path)
    keys.create("root.key", ENTROPY)
    (tmp_path / "root.key").chmod(0o644)

    with pytest.raises(StartRefusedError, match="chmod 600"):
        keys.secret("root.key")


@pytest.mark.parametrize("content", ["", "zz", "00" * 31, "00" * 33, "\xff\xfe"])
def test_a_damaged_key_file_is_refused(tmp_path, content):
    """A key file that is not 64 hexadecimal digits is never used."""
    path = tmp_path / "root.key"
    path.write_text(content, encoding="latin-1")
    path.chmod(0o600)

    with pytest.raises(StartRefusedError):
        FileKeys(tmp_path).secret("root.key")


def test_a_missing_key_is_never_made_silently(tmp_path):
    """Reading does not create, creating does not replace."""
    keys = FileKeys(tmp_path)
    with pytest.raises(StartRefusedError):
        keys.secret("root.key")
    keys.create("root.key", ENTROPY)

    with pytest.raises(StartRefusedError, match="File exists"):
        keys.create("root.key", ENTROPY)
