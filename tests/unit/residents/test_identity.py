"""Who a resident is, and how they are found again."""

from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from app.core.errors import InvalidRequestError
from app.http.shapes import Identifiers, IdentifiersPatch, SearchIn
from app.residents import identity
from app.residents.bodies import dump
from app.residents.identity import (
    LONGEST_NUMBER,
    fold_name,
    parse_identifiers,
    parse_identity,
    read_nhs_number,
)
from app.residents.refusals import FaultError

TODAY = date(2026, 3, 1)


def check_digit(nine: str) -> int | None:
    """Return the modulus 11 check digit of nine digits, worked out independently."""
    rest = 11 - sum(int(digit) * weight for digit, weight in zip(nine, range(10, 1, -1), strict=True)) % 11
    return {10: None, 11: 0}.get(rest, rest)


@pytest.mark.parametrize(
    "name", ["O'Neill", "Nuala Ní Dhomhnaill", "D'Arcy-Smith", "Nguyễn", "X", "x" * 200, "Þórunn", "李"]
)
def test_real_names_pass(name: str):
    """Names of one letter, of 200, with accents, hyphens and apostrophes are names."""
    identity = parse_identity({"given_name": name, "family_name": name})

    assert {"given_name": name, "family_name": name} == dump(identity)


@pytest.mark.parametrize(
    "name", ["", " ", "x" * 201, "a\nb", "a\x1b[31m", "a\u2028b", "a\x85b", None, 5, ["x"]]
)
def test_what_is_no_name_is_refused(name: Any):
    """A name is not blank, not over 200 characters, and stays on its line."""
    with pytest.raises(InvalidRequestError) as caught:
        parse_identity({"given_name": "Win", "family_name": name})

    assert {"/identity/family_name"} == {pointer for pointer, _ in caught.value.errors}


def test_sex_is_one_of_four_words():
    """Sex is FHIR's administrative gender or left out."""
    for sex in ("female", "male", "other", "unknown"):
        assert sex == parse_identity({"given_name": "W", "family_name": "A", "sex": sex}).sex
    with pytest.raises(InvalidRequestError):
        parse_identity({"given_name": "W", "family_name": "A", "sex": "F"})


def test_an_nhs_number_has_a_sound_check_digit():
    """Of the ten numbers that share nine digits exactly one is valid, or none."""
    for nine in ("999000001", "999473123", "999123456", "400000000", "999000014"):
        valid = []
        for last in range(10):
            try:
                valid.append(int(read_nhs_number(f"{nine}{last}")[-1]))
            except ValueError:
                continue
        expected = check_digit(nine)
        assert ([] if expected is None else [expected]) == valid


@pytest.mark.parametrize(
    "written",
    [
        "9994731238",
        "999 473 1238",
        "999-473-1238",
        "999 473-1238",
        "999  473 1238",
        " 9994731238 ",
        "9 994731238",
        "999\u00a0473\u20091238",
        "999–473—1238",
        "９９９４７３１２３８",
        "\ufeff999\u200b4731238",
    ],
)
def test_spaces_and_hyphens_in_an_nhs_number_do_not_count(written: str):
    """It is kept as ten digits whatever kind of space or hyphen parts them, and however wide they are."""
    assert (
        "9994731238"
        == parse_identifiers({"date_of_birth": "1938-04-17", "nhs_number": written}, TODAY).nhs_number
    )


@pytest.mark.parametrize(
    "written",
    [
        "9994731239",
        "999473123",
        "99947312380",
        "999.473.1238",
        "999/473/1238",
        "NHS 9994731238",
        " ",
        "٩٩٩٤٧٣١٢٣٨",
        "",
        "0x99473123",
        9994731238,
    ],
)
def test_what_is_no_nhs_number_is_refused(written: Any):
    """Wrong check digit, digits of another script, or anything else between them: refused, not repeated."""
    with pytest.raises(InvalidRequestError) as caught:
        parse_identifiers({"date_of_birth": "1938-04-17", "nhs_number": written}, TODAY)

    assert ["/identifiers/nhs_number"] == [pointer for pointer, _ in caught.value.errors]
    assert "473" not in repr(caught.value.errors)


def test_a_number_longer_than_any_is_not_looked_at(monkeypatch):
    """To fold heaped accents takes time by the square, and anybody may send them."""
    monkeypatch.setattr(identity, "fold_name", None)
    with pytest.raises(FaultError, match=r"^Must be ten digits"):
        read_nhs_number("9" * (LONGEST_NUMBER + 1))


@pytest.mark.parametrize(
    ("shape", "beside"),
    [(SearchIn, {}), (IdentifiersPatch, {}), (Identifiers, {"date_of_birth": "1938-04-17"})],
)
def test_no_body_takes_a_number_longer_than_any(shape, beside):
    """Each way in says so in the description of the API as well."""
    with pytest.raises(ValidationError, match="at most 64 characters"):
        shape(nhs_number="9" * (LONGEST_NUMBER + 1), **beside)


@pytest.mark.parametrize(
    ("born", "is_taken"),
    [
        ("2026-03-01", True),
        ("2026-03-02", False),
        ("1880-01-01", True),
        ("1879-12-31", False),
        ("1938-02-29", False),
    ],
)
def test_nobody_is_born_tomorrow_or_before_1880(born: str, is_taken: bool):
    """A date of birth lies between 1880 and the present day."""
    if is_taken:
        assert born == parse_identifiers({"date_of_birth": born}, TODAY).date_of_birth
        return
    with pytest.raises(InvalidRequestError) as caught:
        parse_identifiers({"date_of_birth": born}, TODAY)
    assert ["/identifiers/date_of_birth"] == [pointer for pointer, _ in caught.value.errors]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("O'Neill", "o’neill"),
        ("O'Neill", "O NEILL"),
        ("O'Neill", "OʼNeill"),
        ("O'Neill", "O´Neill"),
        ("O'Neill", "O＇Neill"),
        ("D'Arcy-Smith", "darcy smith"),
        ("D'Arcy-Smith", "D’Arcy‑Smith"),
        ("Ní Dhomhnaill", "NI\u0301\u00a0DHOMHNAILL"),
        ("Strauß", "STRAUSS"),
        ("ﬁtz", "Fitz"),
        ("Smith", "ＳＭＩＴＨ"),
    ],
)
def test_a_name_is_found_however_it_is_typed(one: str, other: str):
    """Case, width, spaces, hyphens and apostrophes of any kind do not count in a look-up."""
    assert fold_name(one) == fold_name(other)
    assert fold_name(one) == fold_name(fold_name(one))


def test_accents_count():
    """A name with an accent is another name: a look-up is equality, not likeness."""
    assert fold_name("Renée") != fold_name("Renee")
