"""Words that are withheld from a copy: short names, and names with characters in them that nobody sees."""

import json
from typing import Any

import pytest

from app.core.errors import InvalidRequestError
from app.exchange.redacting import Redaction, Redactor, read_decided
from app.exchange.withholding import WITHHELD

HERE, OTHER, WHO = "r1", "r2", "resident"


def item(text: str, record: str = HERE, **more: Any) -> dict[str, Any]:
    """A record with one version."""
    versions = [{"version": 1, "body": {"text": text}}]
    return {"id": record, "category": "daily_note", "versions": versions, **more}


def told(one: dict[str, Any]) -> str:
    """Return what stands in a record that goes out."""
    return str(one["versions"][0]["body"]["text"])


def withheld(redaction: dict[str, Any], *items: dict[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return what goes out, and where something stands that was withheld elsewhere."""
    redactor = Redactor([Redaction.model_validate(redaction)])
    for one in items:
        redactor.survey(one)
    redactor.surveyed()
    shown = [redactor.apply(one) for one in items]
    return shown, [found for one in shown for found in redactor.left_over(one)]


def decided(redaction: dict[str, Any]) -> Any:
    """Read a file of one redaction."""
    return read_decided(json.dumps({"resident": WHO, "by": "x", "redactions": [redaction]}).encode(), WHO)


def test_a_short_name_is_withheld_where_it_is_a_word():
    """`Jo` goes, `Joan` and `banjo` stay: two letters stand inside too many other words."""
    [shown], left = withheld(
        {"record": HERE, "text": "Jo"}, item("Jo said that Joan plays the banjo. jo, JO's and J.")
    )

    assert f"{WITHHELD} said that Joan plays the banjo. {WITHHELD}, {WITHHELD}'s and J." == told(shown)
    assert [] == left


def test_an_initial_is_withheld():
    """One letter is a word, too, if a person says so of one record."""
    [shown], _ = withheld({"record": HERE, "text": "J"}, item("J. told Jo"))

    assert f"{WITHHELD}. told Jo" == told(shown)


def test_a_short_name_that_stands_elsewhere_is_not_let_out():
    """What was withheld in one record is missed in none: the person is asked, or it is withheld there."""
    items = (item("Jo was angry"), item("walked with Jo", OTHER), item("Joan", "r3"))
    _, left = withheld({"record": HERE, "text": "Jo"}, *items)
    shown, nothing = withheld({"record": HERE, "text": "Jo", "elsewhere": "withhold"}, *items)

    assert [f"{OTHER} version 1 /body/text (withheld by redaction 1)"] == left
    assert [f"{WITHHELD} was angry", f"walked with {WITHHELD}", "Joan"] == [told(one) for one in shown]
    assert [] == nothing


def test_the_original_of_an_import_does_not_tell_a_short_name():
    """Where a short name is withheld everywhere it was found, an original that holds it is withheld, too."""
    other = item("walked", OTHER, original={"resourceType": "Observation", "note": "with Jo"})
    [_, shown, third], _ = withheld(
        {"record": HERE, "text": "Jo", "elsewhere": "withhold"},
        item("Jo was angry"),
        other,
        item("x", "r3", original={"note": "with Joan"}),
    )

    assert (WITHHELD, {"note": "with Joan"}) == (shown["original"], third["original"])


@pytest.mark.parametrize(
    ("redaction", "taken"),
    [
        ({"record": HERE, "text": "Jo"}, True),
        ({"record": HERE, "text": "J"}, True),
        ({"record": HERE, "text": ""}, False),
        ({"record": HERE, "text": " "}, False),
        ({"record": HERE, "text": "\u200b"}, False),
        ({"text": "Jo"}, False),
        ({"text": "J\u200bo"}, False),
        ({"text": "Joe"}, True),
    ],
)
def test_words_without_a_record_have_three_letters(redaction, taken):
    """Short words are withheld in a record that a person read, never in all of them; nothing is no word."""
    if taken:
        assert 1 == len(decided(redaction).redactions)
    else:
        with pytest.raises(InvalidRequestError, match="invalid"):
            decided(redaction)


INVISIBLE = "\u200b\u200d\u2060\ufeff\u00ad\u202e\U000e0061\ufe0f\u034f\u3164"


@pytest.mark.parametrize("hidden", INVISIBLE)
@pytest.mark.parametrize("anywhere", [False, True])
def test_a_character_that_nobody_sees_hides_no_name(hidden, anywhere):
    """A name with something invisible in it is the name; so is one that the person copied with it."""
    place = {} if anywhere else {"record": HERE}
    written = f"met Ber{hidden}tha Quill{hidden}feather"
    for asked in ("Bertha Quillfeather", f"Bertha {hidden}Quillfeather"):
        [shown], _ = withheld(place | {"text": asked}, item(written))
        assert f"met {WITHHELD}" == told(shown)


def test_it_hides_none_elsewhere_either():
    """What was withheld at a path is found in other records however it is written there."""
    items = (item("Bertha Quillfeather"), item("with ber\u200btha quillfeather", OTHER))
    _, left = withheld({"record": HERE, "path": "/body/text"}, *items)

    assert 1 == len(left)


def test_what_is_not_withheld_stays_as_it_was_written():
    """A text without the name keeps its invisible characters: they join letters in other scripts."""
    joined = "\u0645\u06cc\u200c\u062e\u0648"
    [_, shown], _ = withheld({"text": "Bertha"}, item("Bertha"), item(joined, OTHER))

    assert joined == told(shown)
