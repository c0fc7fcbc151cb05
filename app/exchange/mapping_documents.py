"""DocumentReference and attachments: a document with its bytes, or only word of it."""

import binascii
import re
from typing import get_args

from app.exchange.bundle import JsonObject
from app.exchange.drafts import Sketch
from app.exchange.elements import an_object, concept, first, joined, objects, text, whole_concept
from app.exchange.own_terms import ABOUT
from app.exchange.reading import Reading
from app.exchange.wording import with_status
from app.residents.clinical_bodies import DOCUMENT_BYTES, MEDIA_TYPE, AboutCategory

_WHITE_SPACE = re.compile(r"\s+")
_MEDIA_TYPE = re.compile(MEDIA_TYPE)
_UNKNOWN_MEDIA_TYPE = "application/octet-stream"

# What a document is about decides who may read it. Every role that reads documents of care
# also reads professional visits, so a word found in a title can only narrow that circle
_ABOUT = (
    (re.compile(r"safeguard", re.IGNORECASE), "safeguarding"),
    (re.compile(r"financ|bank statement|invoice|\bpension|\bmoney\b", re.IGNORECASE), "finance"),
    (re.compile(r"medic(ation|ines?\b)|prescri|drug|pharmac|(?-i:\bMAR\b)", re.IGNORECASE), "medication"),
    (
        re.compile(r"DNA?CPR|resuscitat|end.of.life|advance (care|decision)|(?-i:ReSPECT\b)", re.IGNORECASE),
        "advance_care_plan",
    ),
    (re.compile(r"mental capacity|\bDoLS\b|deprivation of liberty", re.IGNORECASE), "capacity"),
    (re.compile(r"care.?plan", re.IGNORECASE), "care_plan"),
)


def document(reading: Reading) -> list[Sketch]:
    """Return a DocumentReference: one document for each of its contents."""
    resource = reading.resource
    title = concept(resource.get("type"))
    kinds = [resource.get("type"), *objects(resource.get("category"))]
    told = joined([*map(whole_concept, kinds), text(resource.get("description"))])
    contents = [an_object(one.get("attachment")) for one in objects(resource.get("content"))] or [{}]
    made: list[Sketch] = []
    for n, one in enumerate(contents):
        about = _said_here(resource) or _about(joined([told, text(one.get("title"))]) or "")
        sketch = attachment(reading, one, about, title, n, state=_state(resource))
        made.append(sketch.dated((resource.get("date"),)))
    return made


def attachment(
    reading: Reading, one: JsonObject, about: str, title: str | None, n: int, *, state: str | None
) -> Sketch:
    """Return one Attachment as a document; its bytes are null when the bundle holds none."""
    content, lacking = _content(one)
    if lacking:
        reading.remark(lacking)
    body = {
        "about": about,
        "title": with_status(first([text(one.get("title")), title]), {"status": state}, ()),
        "media_type": _media_type(one),
        "content_base64": content,
    }
    return Sketch("document", body, (one.get("creation"),), facet=f"document.{n}")


def _state(resource: JsonObject) -> str | None:
    states = [text(resource.get("status")), text(resource.get("docStatus"))]
    return joined((one for one in states if one not in ("current", "final")), ", ")


def _said_here(resource: JsonObject) -> str | None:
    """Return what a document of a service like this is about: there a person said so."""
    codings = objects(an_object(resource.get("type")).get("coding"))
    codes = (text(one.get("code")) for one in codings if one.get("system") == ABOUT)
    return next((code for code in codes if code in get_args(AboutCategory)), None)


def _about(words: str) -> str:
    return next((category for shape, category in _ABOUT if shape.search(words)), "professional_visit")


def _media_type(one: JsonObject) -> str:
    named = (text(one.get("contentType")) or "").split(";")[0].strip()
    return named if _MEDIA_TYPE.fullmatch(named) else _UNKNOWN_MEDIA_TYPE


def _content(one: JsonObject) -> tuple[str | None, str | None]:
    encoded = one.get("data")
    if not isinstance(encoded, str) or not encoded:
        return None, "The bundle does not hold the bytes of the document."
    encoded = _WHITE_SPACE.sub("", encoded)
    try:
        size = len(binascii.a2b_base64(encoded, strict_mode=True))
    except (binascii.Error, ValueError):
        return None, "The bytes of the document are no base64 and stay in the sealed original."
    if not 0 < size <= DOCUMENT_BYTES:
        return None, "The document is empty or larger than 5 MiB; its bytes stay in the sealed original."
    return encoded, None
