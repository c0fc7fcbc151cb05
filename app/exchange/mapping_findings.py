"""Observation, Condition, FamilyMemberHistory, DiagnosticReport and QuestionnaireResponse."""

import re

from app.exchange.bundle import JsonObject
from app.exchange.dates import day
from app.exchange.drafts import Sketch
from app.exchange.elements import (
    concept,
    concepts,
    first,
    joined,
    notes,
    number,
    objects,
    quantity,
    said,
    span,
    states,
    status,
    text,
    unit,
)
from app.exchange.mapping_documents import attachment
from app.exchange.reading import Reading
from app.exchange.wording import long, present, short, with_status
from app.residents.texts import MOST_ITEMS, SHORT

_WITHOUT_VALUE = "Recorded without a value"
_FINAL = ("final", "amended", "corrected")
END_OF_LIFE = re.compile(
    r"\bEOL|end.of.life|advanced? (care|decision|directive|statement|treatment)"
    r"|DNA?CPR|resuscitat|(?-i:ReSPECT\b)",  # the form, not the word
    re.IGNORECASE,
)
_IN_FORCE = {"completed", "amended"}


def observation(reading: Reading) -> list[Sketch]:
    """Return an Observation: a number, numbers that belong together, or words.

    A number that is not exactly one (`< 5`, or with more digits than a record keeps) is
    words too: nobody may read a rounded or bare `5`.
    """
    resource = reading.resource
    dates = tuple(
        resource.get(name) for name in ("effectiveDateTime", "effectiveInstant", "effectivePeriod", "issued")
    )
    body = {"kind": with_status(concept(resource.get("code")), resource, _FINAL), **_finding(reading)}
    return [Sketch("observation", body, dates)]


def _finding(reading: Reading) -> JsonObject:
    resource = reading.resource
    parts = objects(resource.get("component"))
    together = [_component(part) for part in parts]
    if said(resource) is None and 0 < len(together) <= MOST_ITEMS and None not in together:
        return {"components": together}
    if not parts and (exact := _exactly(resource)):
        return exact
    members = reading.all_called(resource.get("hasMember"))
    # Each part stands, also where two are alike
    all_parts = "; ".join(
        f"{short(concept(part.get('code')))}: {_told(part) or _WITHOUT_VALUE}" for part in parts
    )
    told = [_told(resource), all_parts, members and f"Consists of: {members}"]
    return {"text": long(joined([joined(told) or _WITHOUT_VALUE, notes(resource)]))}


def _exactly(holder: JsonObject) -> JsonObject | None:
    if holder.get("dataAbsentReason"):
        return None  # a value the source itself calls absent or wrong is no number to count with
    held = holder.get("valueQuantity")
    if isinstance(held, dict) and not held.get("comparator"):
        value, of = number(held.get("value")), unit(held)
    else:
        value, of = number(holder.get("valueInteger")), None
    return present(value=value, unit=short(of) if of else None) if value is not None else None


def _component(part: JsonObject) -> JsonObject | None:
    exact = _exactly(part)
    if exact is None or "unit" not in exact:
        return None
    return {"kind": short(concept(part.get("code"))), **exact}


def _told(holder: JsonObject) -> str | None:
    meaning = concepts(holder.get("interpretation"))
    absent = concept(holder.get("dataAbsentReason"))
    return joined([said(holder), meaning, absent and f"No value: {absent}"])


def condition(reading: Reading) -> list[Sketch]:
    """Return a Condition as an observation in words, with what is known of its course."""
    resource = reading.resource
    standing = sorted(states(resource.get("clinicalStatus")) | states(resource.get("verificationStatus")))
    site = concepts(resource.get("bodySite"))
    what = joined([concept(resource.get("code")), concept(resource.get("severity")), site], ", ")
    named = f"{short(what)} ({', '.join(standing)})" if standing else short(what)
    stage = concepts([one.get("summary") for one in objects(resource.get("stage"))])
    onset, end = _time_of(resource, "onset"), _time_of(resource, "abatement")
    course = [named, stage and f"stage: {stage}", onset and f"began: {onset}", end and f"ended: {end}"]
    dates = (resource.get("recordedDate"), resource.get("onsetDateTime"), resource.get("onsetPeriod"))
    told = long(joined([*course, notes(resource)]))
    return [Sketch("observation", {"kind": "Condition", "text": told}, dates)]


def _time_of(resource: JsonObject, what: str) -> str | None:
    values = (resource.get(f"{what}{kind}") for kind in ("DateTime", "Age", "Period", "Range", "String"))
    read = (first([text(value), quantity(value), span(value)]) for value in values)
    return first(read)


def family_history(reading: Reading) -> list[Sketch]:
    """Return a FamilyMemberHistory as an observation: which relative had what, without names."""
    resource = reading.resource
    who = first([concept(resource.get("relationship")), "relative"])
    had = joined(_condition_of_relative(one) for one in objects(resource.get("condition")))
    words = f"{short(who)}: {joined([had, notes(resource)]) or _WITHOUT_VALUE}"
    return [Sketch("observation", {"kind": "Family history", "text": long(words)}, (resource.get("date"),))]


def _condition_of_relative(one: JsonObject) -> str | None:
    onset = first([quantity(one.get("onsetAge")), span(one.get("onsetRange")), text(one.get("onsetString"))])
    course = [concept(one.get("code")), onset and f"from {onset}", concept(one.get("outcome")), notes(one)]
    return joined(course, ", ")


def diagnostic_report(reading: Reading) -> list[Sketch]:
    """Return a DiagnosticReport: what it concludes as an observation, each file as a document."""
    resource = reading.resource
    results = reading.all_called(resource.get("result"))
    conclusion = joined([text(resource.get("conclusion")), concepts(resource.get("conclusionCode"))])
    words = joined([conclusion, results and f"Results: {results}"]) or "The report states no conclusion"
    dates = (resource.get("effectiveDateTime"), resource.get("effectivePeriod"), resource.get("issued"))
    title = concept(resource.get("code"))
    report = {"kind": with_status(title, resource, _FINAL), "text": long(words)}
    files = objects(resource.get("presentedForm"))
    state = None if status(resource) in _FINAL else status(resource)
    documents = [
        attachment(reading, one, "observation", title, n, state=state).dated(dates)
        for n, one in enumerate(files)
    ]
    return [Sketch("observation", report, dates), *documents]


def questionnaire(reading: Reading) -> list[Sketch]:
    """Return a QuestionnaireResponse: about the end of life as an advance care plan.

    Never as a DNACPR or ReSPECT form: the answer may be "for full treatment", and such a
    decision needs its signed original. All others are observations, which only roles read
    who also read the date of birth such answers often hold.
    """
    resource = reading.resource
    words = "\n".join(_lines(resource, reading)) or "No answers"
    authored = day(resource.get("authored"))
    dates = (resource.get("authored"),)
    is_final = status(resource) in _IN_FORCE
    if authored and is_final and END_OF_LIFE.search(f"{text(resource.get('questionnaire')) or ''} {words}"):
        plan = {"kind": "other", "summary": long(words), "valid_from": authored, "status": "in_force"}
        return [Sketch("advance_care_plan", plan, dates)]
    kind = with_status("Questionnaire", resource, tuple(_IN_FORCE), SHORT)
    return [Sketch("observation", {"kind": kind, "text": long(words)}, dates)]


def _lines(holder: JsonObject, reading: Reading) -> list[str]:
    lines: list[str] = []
    for item in objects(holder.get("item")):
        answers = objects(item.get("answer"))
        told = joined((_answer(answer, reading) for answer in answers), ", ")
        question = first([text(item.get("text")), text(item.get("linkId"))]) or "?"
        mark = "" if question.endswith(("?", ":")) else ":"
        below = _lines(item, reading) + [line for answer in answers for line in _lines(answer, reading)]
        told = told or _unanswered(item, has_more=bool(below))
        lines += [f"{question}{mark} {told}" if told else question, *below]
    return lines


def _unanswered(item: JsonObject, *, has_more: bool) -> str | None:
    """Return what stands for the answer, so that no question reads like a statement; a heading has none."""
    if item.get("answer"):
        return "answer cannot be read"
    return None if has_more else "not answered"


def _answer(answer: JsonObject, reading: Reading) -> str | None:
    return said(answer) or reading.called(answer.get("valueReference"))
