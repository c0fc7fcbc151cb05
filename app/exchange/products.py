"""Which medicine is it: the words of a record, and of the product it names with its strength."""

from app.exchange.bundle import Entry, JsonObject
from app.exchange.elements import (
    an_object,
    concept,
    first,
    is_entered_in_error,
    joined,
    objects,
    ratio,
    text,
)
from app.exchange.reading import Reading


def medicine(reading: Reading) -> tuple[str | None, Entry | None]:
    """Return the name of the medicine of a record, and the Medication of the bundle it is read with."""
    written = concept(reading.resource.get("medicationCodeableConcept"))
    reference = an_object(reading.resource.get("medicationReference"))
    found = reading.bundle.resolve(reference, reading.entry)
    if found and found.type != "Medication":
        return written, None
    inside = found.resource if found else reading.bundle.contained(reference, reading.entry) or {}
    name = first([written, _name(inside), text(reference.get("display"))])
    if is_entered_in_error(inside):
        reading.remark("The product it names was entered in error.")
    return name, found


def _name(product: JsonObject) -> str | None:
    made_of = (_ingredient(one) for one in objects(product.get("ingredient")))
    return joined([concept(product.get("code")), concept(product.get("form")), *made_of], ", ")


def _ingredient(one: JsonObject) -> str | None:
    named = an_object(one.get("itemReference"))
    what = first([concept(one.get("itemCodeableConcept")), text(named.get("display"))])
    strength = ratio(one.get("strength"), " per ")
    return f"{what or 'ingredient'} {strength}" if strength else what
