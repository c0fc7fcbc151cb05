"""Whose resource is it? References are followed; nothing is inferred from position or names.

A resource belongs to a Patient of the bundle when its subject resolves to that Patient. One
without any subject belongs to the Patient from whose resources it can be reached - and to
nobody when it can be reached from two people, or only from a resource entered in error.
"""

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any, Literal

from app.exchange.bundle import Entry, JsonObject
from app.exchange.elements import an_object, is_entered_in_error, objects, text
from app.residents.identity import read_nhs_number

NHS_NUMBER_SYSTEM = "https://fhir.nhs.uk/Id/nhs-number"
SUBJECT_FIELDS = ("subject", "patient", "beneficiary", "individual", "for")
PRESCRIPTIONS = frozenset({"MedicationRequest", "MedicationStatement"})
SOMEBODY_ELSE = -1
"""The owner of a resource whose subject is no Patient of the bundle."""

NotOurs = Literal["no-subject", "other-subject", "several-subjects"]

# Staff, places and things: shared by everybody, so the way from a Patient to a resource
# never leads through one of them
NOT_ABOUT_ANYBODY = frozenset(
    {
        "CodeSystem",
        "Device",
        "Endpoint",
        "HealthcareService",
        "Location",
        "Medication",
        "Organization",
        "Practitioner",
        "PractitionerRole",
        "Questionnaire",
        "Substance",
        "ValueSet",
    }
)

_RELATIVE = re.compile(r"([A-Za-z]{1,64})/([A-Za-z0-9.-]{1,64})(?:/_history/[A-Za-z0-9.-]{1,64})?")
_VERSION = re.compile(r"/_history/[A-Za-z0-9.-]{1,64}$")
_TYPE_IN_ADDRESS = re.compile(r"(?:^|/)([A-Za-z]{1,64})/[A-Za-z0-9.-]{1,64}$")


def nhs_number_of(identifiers: Any) -> set[str]:
    """Return the NHS numbers among identifiers, as ten digits; those in use, and only valid ones."""
    found: set[str] = set()
    for identifier in objects(identifiers):
        if identifier.get("system") != NHS_NUMBER_SYSTEM or identifier.get("use") == "old":
            continue
        try:
            found.add(read_nhs_number(text(identifier.get("value")) or ""))
        except ValueError:
            continue
    return found


class Bundle:
    """The readable entries of a bundle, with their references resolved."""

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = entries
        self._by_url: dict[str, list[Entry]] = {}
        self._by_name: dict[str, list[Entry]] = {}
        self._patients = {entry.position: entry for entry in entries if entry.type == "Patient"}
        self._by_nhs_number: dict[str, list[Entry]] = {}
        for entry in entries:
            self._by_url.setdefault(entry.full_url or "", []).append(entry)
            self._by_name.setdefault(entry.name, []).append(entry)
        for patient in self.patients():
            for number in nhs_number_of(patient.resource.get("identifier")):
                self._by_nhs_number.setdefault(number, []).append(patient)
        self._owners = self._find_owners()

    def belonging(self, entry: Entry) -> Entry | NotOurs:
        """Return the Patient a resource belongs to, or why it belongs to none of the bundle."""
        owners = self._owners.get(entry.position, set())
        if not owners:
            return "no-subject"
        if SOMEBODY_ELSE in owners and (len(owners) == 1 or has_subject(entry.resource)):
            return "other-subject"
        if len(owners) > 1:
            return "several-subjects"
        return self._patients[next(iter(owners))]

    def patients(self) -> list[Entry]:
        """Return the Patients of the bundle."""
        return list(self._patients.values())

    def sharing_nhs_number(self, patient: Entry) -> bool:
        """Say whether another Patient of the bundle carries the same NHS number."""
        numbers = nhs_number_of(patient.resource.get("identifier"))
        return any(len(self._by_nhs_number[number]) > 1 for number in numbers)

    def resolve(self, reference: Any, source: Entry) -> Entry | None:
        """Return the entry a Reference of `source` names: by fullUrl, by type and id, or by NHS number."""
        named = an_object(reference)
        numbers = nhs_number_of(named.get("identifier"))
        address = text(named.get("reference"))
        found = self._by_address(address, source) if address else None
        if found is None:
            return self._by_number(numbers)
        # A reference that names one person and the NHS number of another names nobody
        own = nhs_number_of(found.resource.get("identifier"))
        return None if numbers and own and not numbers & own else found

    def contained(self, reference: Any, source: Entry) -> JsonObject | None:
        """Return the contained resource a `#id` Reference names."""
        address = text(an_object(reference).get("reference")) or ""
        inside = objects(source.resource.get("contained"))
        return next((one for one in inside if address.startswith("#") and one.get("id") == address[1:]), None)

    def named_elsewhere(self, reference: Any, source: Entry) -> str | None:
        """Return the address that a relative Reference names, where nothing of the bundle is called so.

        It is one at the server of the resource it stands in; where that is not told, only `Type/id`.
        """
        relative = _RELATIVE.fullmatch(text(an_object(reference).get("reference")) or "")
        name = "/".join(relative.groups()) if relative else None
        if name is None or name in self._by_name:
            return None
        return f"{source.base}/{name}" if source.base else name

    def prescriptions(self, product: Entry, owner: Entry) -> list[Entry]:
        """Return the prescriptions and statements of a resident, not in error, for a Medication."""
        return self._prescribed.get((product.position, owner.position), [])

    @cached_property
    def _prescribed(self) -> dict[tuple[int, int], list[Entry]]:
        found: dict[tuple[int, int], list[Entry]] = {}
        for entry in self.entries:
            if entry.type in PRESCRIPTIONS and not is_entered_in_error(entry.resource):
                product = self.resolve(entry.resource.get("medicationReference"), entry)
                owner = self.belonging(entry)
                if product is not None and isinstance(owner, Entry):
                    found.setdefault((product.position, owner.position), []).append(entry)
        return found

    def _by_number(self, numbers: set[str]) -> Entry | None:
        found = [one for number in numbers for one in self._by_nhs_number.get(number, [])]
        return found[0] if len(found) == 1 else None

    def _by_address(self, address: str, source: Entry) -> Entry | None:
        if address.startswith("#"):
            inside = self.contained({"reference": address}, source) or {}
            is_patient = inside.get("resourceType") == "Patient"
            return self._by_number(nhs_number_of(inside.get("identifier"))) if is_patient else None
        exact = self._by_url.get(_VERSION.sub("", address), [])
        if exact:
            return exact[0] if len(exact) == 1 else None
        relative = _RELATIVE.fullmatch(address)
        named = self._by_name.get("/".join(relative.groups()), []) if relative else []
        # The same id on two servers names two things
        maybe = [one for one in named if not (one.base and source.base and one.base != source.base)]
        return maybe[0] if len(maybe) == 1 else None

    def _find_owners(self) -> dict[int, set[int]]:
        owners = {entry.position: self._named_owners(entry) for entry in self.entries}
        reached: dict[int, set[int]] = {}
        for entry in self.entries:
            for owner in owners[entry.position]:
                if not is_entered_in_error(entry.resource):
                    self._claim(entry, owner, reached)
        return {
            entry.position: owners[entry.position] or reached.get(entry.position, set())
            for entry in self.entries
        }

    def _named_owners(self, entry: Entry) -> set[int]:
        if entry.type == "Patient":
            return {entry.position}
        named = [self.resolve(one, entry) for one in subjects(entry.resource)]
        return {one.position if one and one.type == "Patient" else SOMEBODY_ELSE for one in named}

    def _claim(self, start: Entry, owner: int, reached: dict[int, set[int]]) -> None:
        waiting = [start]
        while waiting:
            source = waiting.pop()
            for reference in references_in(source.resource):
                target = self.resolve(reference, source)
                if target is None or not _takes_its_owner_from_others(target):
                    continue
                claims = reached.setdefault(target.position, set())
                is_new = owner not in claims and len(claims) < 2  # a third owner changes nothing
                claims.add(owner)
                if is_new and not is_entered_in_error(target.resource):
                    waiting.append(target)


def subjects(resource: JsonObject) -> list[Any]:
    """Return what stands in the subject fields of a resource, sound or not.

    An Observation with a focus is about that: a finding about the relative, the donor or the
    bed of a resident is none about the resident.
    """
    named = [resource[name] for name in SUBJECT_FIELDS if resource.get(name) is not None]
    focus = resource.get("focus") if resource.get("resourceType") == "Observation" else None
    return named + (focus if isinstance(focus, list) else [focus] if focus is not None else [])


def has_subject(resource: JsonObject) -> bool:
    """Say whether a resource names a subject at all."""
    return bool(subjects(resource))


def type_named(reference: JsonObject) -> str:
    """Return the type of resource a Reference says it names, or an empty text."""
    found = _TYPE_IN_ADDRESS.search(_VERSION.sub("", text(reference.get("reference")) or ""))
    return text(reference.get("type")) or (found.group(1) if found else "")


def references_in(resource: JsonObject) -> Iterator[JsonObject]:
    """Return every Reference anywhere in a resource."""
    waiting: list[Any] = [resource]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if isinstance(part.get("reference"), str):
                yield part
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


def _takes_its_owner_from_others(entry: Entry) -> bool:
    is_person = entry.type in {"Patient", "RelatedPerson", "Person"}
    return not (is_person or entry.type in NOT_ABOUT_ANYBODY or has_subject(entry.resource))
