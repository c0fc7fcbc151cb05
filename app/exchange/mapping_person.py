"""Patient and RelatedPerson: who somebody is, and who is close."""

import re
from datetime import date

from app.core.errors import InvalidRequestError
from app.exchange.bundle import Entry, JsonObject
from app.exchange.dates import outside
from app.exchange.drafts import NotImportableError, Sketch
from app.exchange.elements import (
    an_object,
    codes,
    concepts,
    first,
    fit,
    human_name,
    joined,
    objects,
    text,
    whole_concept,
    words_of,
)
from app.exchange.people import best_name, names_in_use, phone
from app.exchange.reading import Reading, truth
from app.exchange.references import NHS_NUMBER_SYSTEM
from app.exchange.wording import long, marked, present, short
from app.residents.identity import Identifiers, Identity, parse_identifiers, parse_identity
from app.residents.texts import SHORT

_NEXT_OF_KIN_CODES = {"n", "nok"}
_NEXT_OF_KIN = re.compile(r"\bnext[ -]of[ -]kin\b", re.IGNORECASE)
# Whatever casts doubt on a claim anywhere in the words leaves the words to speak for themselves
_DENIED = re.compile(
    r"\b(no|not|non|nor|never|without|none|former(ly)?|ex|previous(ly)?|was|were|until|revoked|ended|expired"
    r"|cancelled|resigned|declined|pending|applied|applying|unregistered|unknown|application|submitted"
    r"|awaiting|in pro(gres|ces)s|lapsed|withdrawn|suspended|terminated|refused|disclaimed|donor|draft"
    r"|proposed|replaced|replacement|(?<!once )(?<!twice )removed"
    r"|(to|will) be(?! (asked|called|consulted|contacted|informed|involved|notified|phoned|rung|told)\b)"
    r")\b|n[\u2019']t\b|\?",
    re.IGNORECASE,
)
_DEAD = re.compile(
    r"\b(died|dead|deceased|passed away"
    r"|late(?![ -](at|in|on|afternoon|evening|morning|night|onset|shift|stage)s?\b))\b",
    re.IGNORECASE,
)
_IN_DOUBT = "Whether a contact is next of kin or attorney is not told plainly: read the words."
_LASTING_POWER = re.compile(r"\blasting power of attorney\b|\bLPA\b", re.IGNORECASE)
_SEXES = {"female", "male", "other", "unknown"}


def resident(entry: Entry, on: date) -> tuple[Identity, Identifiers]:
    """Return who a Patient is.

    Raises:
        NotImportableError: A name, a full date of birth or a sound NHS number is missing; a
            resident whose identity is in doubt is admitted by a person, not by an import.
    """
    patient = entry.resource
    try:
        identity = parse_identity(_identity(patient, on), "")
        return identity, parse_identifiers(_identifiers(patient), on, "")
    except InvalidRequestError as refused:
        faults = " ".join(f"{pointer[1:]}: {sentence}" for pointer, sentence in refused.errors)
        raise NotImportableError("not-valid", f"The resident's identity is not sound. {faults}") from None


def _identity(patient: JsonObject, today: date) -> JsonObject:
    name = next(iter(names_in_use(patient.get("name"), today)), {})
    given = " ".join(words_of(name.get("given")))
    called = [
        " ".join(words_of(one.get("given")))
        for one in objects(patient.get("name"))
        if one.get("use") in ("usual", "nickname") and outside(one.get("period"), today) is None
    ]
    preferred = first(one for one in called if one != given)
    sex = patient.get("gender")
    return present(
        given_name=given or None,
        family_name=first(words_of([name.get("family")])),
        preferred_name=fit(preferred, SHORT) if preferred else None,
        sex=sex if isinstance(sex, str) and sex in _SEXES else None,
    )


def _identifiers(patient: JsonObject) -> JsonObject:
    numbers = {
        text(identifier["value"]) or ""  # of another type: no NHS number, and no reason to go without
        for identifier in objects(patient.get("identifier"))
        if identifier.get("system") == NHS_NUMBER_SYSTEM
        and identifier.get("use") != "old"
        and identifier.get("value") is not None
    }
    if len(numbers) > 1:
        raise NotImportableError("not-valid", "The Patient carries several NHS numbers.")
    return present(date_of_birth=text(patient.get("birthDate")), nhs_number=next(iter(numbers), None))


def patient_records(reading: Reading) -> list[Sketch]:
    """Return what a Patient says beside the identity: contacts, and how to speak with the person."""
    contacts = objects(reading.resource.get("contact"))
    made = [
        Sketch("contacts", _contact(one, [], reading), facet=f"contacts.{n}")
        for n, one in enumerate(contacts)
    ]
    languages = joined(
        whole_concept(one.get("language")) for one in objects(reading.resource.get("communication"))
    )
    if languages:
        made.append(Sketch("about_me", {"text": long(f"Communicates in: {languages}")}))
    return made


def related_person(reading: Reading) -> list[Sketch]:
    """Return a RelatedPerson as a contact."""
    person = reading.resource
    is_active = person.get("active") is None or truth(person, "active")
    body = _contact(person, [] if is_active else ["no longer active"], reading)
    return [Sketch("contacts", body, (person.get("period"),))]


def _contact(person: JsonObject, marks: list[str], reading: Reading) -> JsonObject:
    over = outside(person.get("period"), reading.today)
    marks = [*marks, over] if over else marks
    relationship = concepts(person.get("relationship")) or ""
    # Only the words themselves: a power nobody holds must not be made up from a code
    is_kin, is_attorney = _is_next_of_kin(person, relationship), _claims(_LASTING_POWER, relationship)
    if not marks and False in (is_kin, is_attorney):
        reading.remark(_IN_DOUBT)
    number = phone(person.get("telecom"), reading.today)
    name = human_name(best_name(person.get("name"), reading.today))
    return present(
        name=short(first([name, text(an_object(person.get("organization")).get("display"))])),
        relationship=marked(relationship, marks),
        phone=fit(number, SHORT) if number else None,
        next_of_kin=not marks and is_kin is True,
        lasting_power_of_attorney=not marks and is_attorney is True,
    )


def _is_next_of_kin(person: JsonObject, relationship: str) -> bool | None:
    is_coded = bool(codes(person.get("relationship")) & _NEXT_OF_KIN_CODES)
    if is_coded and not _NEXT_OF_KIN.search(relationship):
        return not _DEAD.search(relationship)
    return _claims(_NEXT_OF_KIN, relationship)


def _claims(shape: re.Pattern[str], words: str) -> bool | None:
    """Say whether words make a claim plainly; nothing where they do not speak of it."""
    if not shape.search(words):
        return None
    return not _DENIED.search(words) and not _DEAD.search(words)
