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
    whole_concept,
)
from app.exchange.reading import Reading

_INGREDIENTS = ("Medication", "Substance")


def medicine(reading: Reading) -> tuple[str | None, Entry | None]:
    """Return the name of the medicine of a record, and the Medication of the bundle it is read with."""
    written = whole_concept(reading.resource.get("medicationCodeableConcept"))
    reference = an_object(reading.resource.get("medicationReference"))
    found = reading.bundle.resolve(reference, reading.entry)
    if found and found.type != "Medication":
        return written, None
    inside = found.resource if found else reading.bundle.contained(reference, reading.entry) or {}
    name = first([written, _name(inside, found, reading), text(reference.get("display"))])
    if is_entered_in_error(inside):
        reading.remark("The product it names was entered in error.")
    return name, found


def _name(product: JsonObject, found: Entry | None, reading: Reading) -> str | None:
    ingredients = objects(product.get("ingredient"))
    made_of = (_ingredient(one, found or reading.entry, reading) for one in ingredients)
    return joined([whole_concept(product.get("code")), concept(product.get("form")), *made_of], ", ")


def _ingredient(one: JsonObject, holder: Entry, reading: Reading) -> str | None:
    named = an_object(one.get("itemReference"))
    what = first([whole_concept(one.get("itemCodeableConcept")), text(named.get("display"))])
    what = what or _substance(named, holder, reading)
    strength = ratio(one.get("strength"), " per ")
    if one.get("strength") and not strength:
        reading.remark("How strong its product is could not be read. See the original.")
    return f"{what or 'ingredient'} {strength}" if strength else what


def _substance(named: JsonObject, holder: Entry, reading: Reading) -> str | None:
    found = reading.bundle.resolve(named, holder)
    inside = found.resource if found else reading.bundle.contained(named, holder) or {}
    is_one = inside.get("resourceType") in _INGREDIENTS and not is_entered_in_error(inside)
    return whole_concept(inside.get("code")) if is_one else None
