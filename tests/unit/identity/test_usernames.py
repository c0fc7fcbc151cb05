"""User names."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import InvalidRequestError
from app.identity.usernames import fold_username, normalise_username


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("amobrien", "amobrien"),
        ("  A.M_O'Brien ".replace("'", "-"), "A.M_O-Brien"),
        ("\tnurse@home-1\u00a0", "nurse@home-1"),
        ("ｎｕｒｓｅ１", "nurse1"),
        ("a_b", "a_b"),
        ("x" * 64, "x" * 64),
        ("7of9", "7of9"),
    ],
)
def test_names_are_kept_without_surrounding_spaces(given_name, kept):
    """A name is kept as given, in its plain script and without the spaces around it."""
    assert normalise_username(given_name) == kept


@pytest.mark.parametrize(
    "refused",
    [
        *("", "  ", "ab", " ab ", "x" * 65),
        *("a b c", "amo'brien", "nurse+1", "a/b/c", "nurse,one", "nurse\n1", "nurse\0"),
        *("аmobrien", "zoë", "ıris-9", "nurse\u200b1", "nurse\ud800"),
        *("=cmd()", "@nurse", "-nurse", ".nurse", "_nurse"),
    ],
)
def test_other_letters_are_refused(refused):
    """Other letters, look-alikes among them, other lengths and beginnings of formulas are refused."""
    with pytest.raises(InvalidRequestError) as error:
        normalise_username(refused)

    assert [pointer for pointer, _ in error.value.errors] == ["/username"]


@pytest.mark.parametrize(
    "spelling",
    [
        "nurse.one",
        "NURSE.ONE",
        " Nurse.One",
        "nurse.one\u00a0\u2003",
        "ＮＵＲＳＥ．ＯＮＥ",
        "nurſe.one",
        "\tnurse.one\r\n",
    ],
)
def test_all_spellings_are_one_name(spelling):
    """Case, surrounding spaces and width do not make another name."""
    assert fold_username(spelling) == "nurse.one"


@settings(deadline=None)
@given(
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._@-]{2,63}", fullmatch=True),
    st.sampled_from(["", " ", "\t", "\u3000"]),
)
def test_folding_is_the_same_before_and_after_keeping(name, space):
    """What is kept is found again, however often it is folded."""
    kept = normalise_username(space + name + space)

    assert kept == name
    assert fold_username(kept) == fold_username(fold_username(space + name.upper())) == name.lower()


@settings(deadline=None)
@given(st.text(max_size=80))
def test_folding_refuses_nothing(text):
    """Whatever is given as a name at a sign-in, there is a form to look it up by."""
    assert isinstance(fold_username(text), str)
