"""What is said of a fault: a sentence of ours, and never what a library says of the input."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel, Field

from app.core.errors import InvalidRequestError
from app.residents.refusals import FaultError, read

CANARY = "kanarie"
UNTOLD = "This is not valid here. See the API description for what is."


def _as_a_library_does(text: str) -> str:
    raise ValueError(f"{text} is not liked")


def _as_a_check_does(text: str) -> str:
    raise AssertionError(text)


def _as_we_do(_: str) -> str:
    raise FaultError("Must be {other}.")


class _Model(BaseModel):
    library: Annotated[str, AfterValidator(_as_a_library_does)] = ""
    check: Annotated[str, AfterValidator(_as_a_check_does)] = ""
    ours: Annotated[str, AfterValidator(_as_we_do)] = ""
    number: Annotated[float, Field(gt=1, lt=3)] = 2
    word: Literal["a", "b"] = "a"
    several: Annotated[list[str], Field(min_length=1, max_length=2)] = Field(default=["a"])
    kind: Annotated[str, Field(min_length=2, pattern="^x")] = "xx"


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("library", CANARY, UNTOLD),
        ("check", CANARY, UNTOLD),
        ("ours", CANARY, "Must be {other}."),
        ("number", CANARY, "Must be a number."),
        ("number", 1, "Must be more than 1.0."),
        ("number", 3, "Must be less than 3.0."),
        ("word", CANARY, "Must be one of 'a' or 'b'."),
        ("several", [], "Must have 1 or more items."),
        ("several", [CANARY] * 3, "Must have at most 2 items."),
        ("several", CANARY, "Must be a list."),
        ("kind", "x", "Must have 2 or more characters."),
        ("kind", CANARY, "Is not written as it must be. See the documentation of this field."),
    ],
)
def test_only_our_own_sentences_are_told(name: str, value: Any, sentence: str) -> None:
    """Limits of ours are told; what an exception of somebody else says is not, for it may repeat input."""
    with pytest.raises(InvalidRequestError) as refused:
        read(_Model, {name: value}, "")

    assert ((f"/{name}", sentence),) == refused.value.errors
    assert CANARY not in repr(refused.value) + repr(vars(refused.value))
