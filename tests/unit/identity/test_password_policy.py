"""Which passwords may be chosen."""

import hashlib
from time import thread_time

import pytest
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from app.core.errors import InvalidRequestError, StartRefusedError
from app.identity import password_policy
from app.identity.password_policy import BreachedPasswords, check_new_password

GOOD = "tuesday teapot garden"
NAMES = ("Anne-Marie O'Brien", "amobrien", "Willow Lodge", "Zoë Ann")


def refusals(password, *, second_factor=True, names=(), breached=None):
    lists = {} if breached is None else {"breached": breached}
    told = ()
    try:
        check_new_password(password, second_factor=second_factor, forbidden_words=names, **lists)
    except InvalidRequestError as error:
        told = error.errors
    assert {pointer for pointer, _ in told} <= {"/new_password"}
    return [sentence for _, sentence in told]


@pytest.mark.parametrize(("second_factor", "shortest"), [(True, 12), (False, 15)])
def test_shortest_password(second_factor, shortest):
    """Twelve characters suffice with a second factor, fifteen without."""
    text = "k7vqTmxWbhpzRdwn"

    assert refusals(text[:shortest], second_factor=second_factor) == []
    (reason,) = refusals(text[: shortest - 1], second_factor=second_factor)
    assert str(shortest) in reason


def test_longest_password():
    """128 characters are taken, 129 are not, and a million are refused at once."""
    text = "seven green kettles sing; " * 5

    assert refusals(text[:128]) == []
    assert refusals(text[:129]) == ["Use at most 128 characters."]
    assert refusals("x" * 1_000_000) == ["Use at most 128 characters."]


def test_length_is_counted_after_normalising():
    """Characters are counted as they are stored: composed accents are one character each."""
    assert refusals("e\u0301" * 6 + "kettle")  # twelve after composing, but hardly a password
    assert "Use at least 12" in refusals("e\u0301" * 5 + "kettle")[0]
    assert refusals("o\u0301k seven green kettles " * 5) == []
    assert refusals("ﬃ" * 43) == ["Use at most 128 characters."]


@pytest.mark.parametrize(
    "password",
    [
        GOOD,
        "k7#vTq9!xW2p",
        "nur kleine buchstaben hier",
        "🐝🦔🌻🚲🫖🧦🎈🪁🌙🍐🦆🪴",
        "ÆØÅ λόγος тетрадь",
        "_" + GOOD,
    ],
)
def test_no_composition_rules(password):
    """Only lower case, only signs, only another script: all are good."""
    assert refusals(password) == []


@pytest.mark.parametrize("letter", ["\0", "\n", "\x1b", "\x7f", "\x9f", "\ud800", "\u0378"])
def test_untypeable_characters_are_refused(letter):
    """Control characters, halves of characters and unassigned ones cannot be typed again."""
    assert refusals(GOOD + letter) == ["Use only characters that can be typed: no control characters."]


@pytest.mark.parametrize(
    "password",
    [
        "password1234",
        "Password12345678",
        "P@ssw0rd1234567",
        "letmeinletmein1",
        "qwertyuiop12345",
        "abcdefghijklmnop",
        "aaaaaaaaaaaaaaaa",
        "1234567890123456",
        "iloveyou123456",
        "!@#$%^&*()_+",
        "drowssapdrowssap",
        "a" * 72 + GOOD,
    ],
)
def test_common_passwords_and_their_variations_are_refused(password):
    """A common password made longer, doubled, reversed or disguised is still a common one."""
    (reason,) = refusals(password)

    assert "first that are guessed" in reason


def test_every_common_password_that_is_long_enough_is_refused():
    """Each of the built-in list of 30,000 that reaches twelve characters is refused."""
    long_enough = [word for word in FREQUENCY_LISTS["passwords"] if len(word) >= 12]

    accepted = [word for word in long_enough if not refusals(word)]

    assert len(long_enough) == 229
    assert accepted == []


@pytest.mark.parametrize(
    "password",
    [
        "i like obrien best 7",
        "xx-AnneMarieO'Brien-xx",
        "an amobrien account",
        "AMOBRIEN zebra kite",
        "kite willow zebra 88",
        "kite LodGe zebra 88",
        "zebra w.i.l.l.o.w kite",
        "kite zoe ann zebra 8",
        "ｗｉｌｌｏｗ zebra kite",
    ],
)
def test_names_are_refused(password):
    """A word of the user's or the home's name is refused in any case, script width or punctuation."""
    (reason,) = refusals(password, names=NAMES)

    assert "name of the home" in reason


def test_short_words_of_names_are_allowed():
    """Words of under four letters occur in too many others; names of nothing forbid nothing."""
    assert refusals("planned annual kettles", names=["Ann Lee", "Zoë", "", " ", "--"]) == []


def test_operators_list_of_plain_lines_and_digests(tmp_path):
    """A line is a password or the beginning of its SHA-1, with or without a count."""
    digest = [hashlib.sha1(f"{GOOD} {n}".encode()).hexdigest() for n in range(3)]
    file = tmp_path / "breached.txt"
    file.write_text(
        f"{GOOD}\n{digest[0].upper()}:42\r\n{digest[1]}\n{digest[2][:16]}\n\ndeadbeefdeadbeef1\n",
        encoding="utf-8",
    )

    breached = BreachedPasswords.read(file)

    for stolen in (GOOD, GOOD.upper(), f"{GOOD} 0", f"{GOOD} 1", f"{GOOD} 2", "deadbeefdeadbeef1"):
        assert "stolen" in refusals(stolen, breached=breached)[0]
    assert "stolen" in refusals("ｔｕｅｓｄａｙ teapot garden", breached=breached)[0]
    assert len(breached) == 7
    assert refusals(f"{GOOD} 3", breached=breached) == []
    assert "" not in breached


def test_short_digits_are_a_password_and_no_prefix():
    """Fewer than 16 hex digits are taken as a password: a shorter prefix would refuse the innocent."""
    digest = hashlib.sha1(GOOD.encode()).hexdigest()

    assert GOOD not in BreachedPasswords([digest[:15]])
    assert digest[:15] in BreachedPasswords([digest[:15]])
    assert GOOD in BreachedPasswords([digest[:16]])


def test_unreadable_list_refuses_the_start(tmp_path, monkeypatch):
    """A list that is no text, or too long for memory, is not taken in part."""
    file = tmp_path / "breached.txt"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StartRefusedError):
        BreachedPasswords.read(file)

    monkeypatch.setattr(password_policy, "_MOST_LINES", 2)
    file.write_text("one\ntwo\n")
    assert len(BreachedPasswords.read(file)) == 2
    file.write_text("one\ntwo\nthree\n")
    with pytest.raises(StartRefusedError):
        BreachedPasswords.read(file)


def test_all_reasons_are_told_at_once():
    """Whoever chose badly in two ways learns both."""
    assert len(refusals("short\n")) == 2
    assert len(refusals("willow123456", names=["Willow Lodge"])) == 2


def test_judging_is_cheap_for_the_dearest_password():
    """72 mixed signs, which take the estimator seconds, are judged in under one second."""
    dearest = ("4@8({[<369#!1|0$5+7%2" * 4)[:72]

    began = thread_time()
    assert refusals(dearest) == []
    assert thread_time() - began < 1
