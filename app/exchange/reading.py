"""One resource as it is read for its resident: what its references may be called, what to remark.

A reference leads out of the resource. What stands at its other end - another resident's
condition, a result entered in error, a medicine - must not come into a record by that way, not
even as the `display` beside the reference.
"""

from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from app.exchange.bundle import Entry, JsonObject
from app.exchange.dates import outside
from app.exchange.drafts import NotImportableError
from app.exchange.elements import (
    an_object,
    concept,
    first,
    human_name,
    is_entered_in_error,
    joined,
    objects,
    states,
    status,
    text,
)
from app.exchange.references import NOT_ABOUT_ANYBODY, Bundle, subjects, type_named

A_MEDICINE = "a medicine, see medication"
_MEDICINES = ("Medication", "Immunization")
_STANDINGS = ("lifecycleStatus", "clinicalStatus", "verificationStatus")
_HOLDS = {"active", "confirmed", "accepted", "planned", "recurrence", "relapse"}
_MAY_BE_NAMED = NOT_ABOUT_ANYBODY | {"RelatedPerson"}


class Target(NamedTuple):
    """What a reference names: its type, or an empty text, and what the bundle holds of it."""

    kind: str
    resource: JsonObject

    @property
    def is_a_medicine(self) -> bool:
        """Whether its words belong only into medication."""
        return self.kind.startswith(_MEDICINES)


@dataclass
class Reading:
    """A resource, the Patient it belongs to, the bundle around it, and what is remarked on the way."""

    entry: Entry
    owner: Entry
    bundle: Bundle
    today: date
    remarks: list[str] = field(default_factory=list)

    @property
    def resource(self) -> JsonObject:
        """The resource itself."""
        return self.entry.resource

    def remark(self, sentence: str) -> None:
        """Put a sentence into the report, once."""
        if sentence not in self.remarks:
            self.remarks.append(sentence)

    def over(self, period: Any) -> str | None:
        """Return in words why a Period does not hold today; a remark where the source says active."""
        words = outside(period, self.today)
        if words and status(self.resource) == "active":
            self.remark(f"The source calls it active, but its time is over or has not come: {words}.")
        return words

    def called(self, reference: Any) -> str | None:
        """Return a Reference in words: its display, else the name or code of what it names.

        Nothing, with a remark, where it names what is not this resident's or was entered in
        error; and of a medicine only that it is one.
        """
        target = self.target(reference)
        if target is None:
            return None
        return self.a_medicine() if target.is_a_medicine else _words(an_object(reference), target.resource)

    def target(self, reference: Any) -> Target | None:
        """Return what a Reference names, or nothing, with a remark, where its words may not be taken."""
        found, target = self._look_up(an_object(reference))
        if not (self._may_name(found) if found else self._may_name_inside(target.resource)):
            self.remark(f"It refers to a {target.kind} that is not this resident's: its words are left out.")
            return None
        if is_entered_in_error(target.resource):
            self.remark(f"It refers to a {target.kind} entered in error: its words are left out.")
            return None
        return target

    def names_a_medicine(self, references: Any) -> bool:
        """Say whether one of several References names a medicine."""
        return any(self._look_up(one)[1].is_a_medicine for one in objects(references))

    def _look_up(self, named: JsonObject) -> tuple[Entry | None, Target]:
        found = self.bundle.resolve(named, self.entry)
        inside = self.bundle.contained(named, self.entry) if found is None else None
        resource = found.resource if found else inside or {}
        return found, Target(text(resource.get("resourceType")) or type_named(named), resource)

    def a_medicine(self) -> str:
        """Return what stands for the words of a medicine, for roles that read none."""
        self.remark("It refers to a medicine, whose words belong only into medication: they are left out.")
        return A_MEDICINE

    def all_called(self, references: Any) -> str | None:
        """Return several References in words."""
        return joined(self.called(one) for one in objects(references))

    def _may_name(self, found: Entry) -> bool:
        return found.type in _MAY_BE_NAMED or self.bundle.belonging(found) is self.owner

    def _may_name_inside(self, contained: JsonObject) -> bool:
        is_ours = all(self.bundle.resolve(one, self.entry) is self.owner for one in subjects(contained))
        return is_ours and contained.get("resourceType") != "Patient"


def truth(holder: JsonObject, name: str) -> bool:
    """Return whether a field is there and true.

    Raises:
        NotImportableError: It is there, and neither true nor false. It may turn the meaning of
            the whole around, so nobody may guess.
    """
    value = holder.get(name)
    if value is None or isinstance(value, bool):
        return value is True
    raise NotImportableError("not-valid", f"Its field {name} is neither true nor false.")


def _words(named: JsonObject, resource: JsonObject) -> str | None:
    words = first(
        [
            text(named.get("display")),
            text(resource.get("name")),
            *(human_name(name) for name in objects(resource.get("name"))),
            joined([concept(resource.get("code")), text(resource.get("description"))]),
            concept(resource.get("description")),
        ]
    )
    standing = [states(resource.get(name)) - _HOLDS for name in _STANDINGS]
    told = ", ".join(one for states_of_it in standing for one in sorted(states_of_it))
    return f"{words} ({told})" if words and told else words
