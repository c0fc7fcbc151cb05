"""Search parameters of FHIR."""

import pytest

from app.core.errors import InvalidRequestError
from app.trail.fhir_query import codes_of, ids_of, period_of

FIRST, LAST = "0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z"
DAY = ("2026-03-01T00:00:00.000000Z", "2026-03-02T00:00:00.000000Z")


@pytest.mark.parametrize(
    ("dates", "since", "until"),
    [
        ((), None, None),
        (("2026-03-01",), *DAY),
        (("eq2026-03-01",), *DAY),
        (("ge2026-03-01",), DAY[0], None),
        (("gt2026-03-01",), DAY[1], None),
        (("lt2026-03-01",), None, DAY[0]),
        (("le2026-03-01",), None, DAY[1]),
        (("ge2026-03-01", "lt2026-03-02"), *DAY),
        (("ge2026", "ge2026-03-01", "le2026-03-01", "le2027"), *DAY),
        (("2026",), "2026-01-01T00:00:00.000000Z", "2027-01-01T00:00:00.000000Z"),
        (("2024",), "2024-01-01T00:00:00.000000Z", "2025-01-01T00:00:00.000000Z"),
        (("2026-12",), "2026-12-01T00:00:00.000000Z", "2027-01-01T00:00:00.000000Z"),
        (("2026-02",), "2026-02-01T00:00:00.000000Z", "2026-03-01T00:00:00.000000Z"),
        (("2026-03-01T10:30Z",), "2026-03-01T10:30:00.000000Z", "2026-03-01T10:31:00.000000Z"),
        (("2026-03-01T10:30:59",), "2026-03-01T10:30:59.000000Z", "2026-03-01T10:31:00.000000Z"),
        (("2026-03-01T10:30:00.5Z",), "2026-03-01T10:30:00.500000Z", "2026-03-01T10:30:00.600000Z"),
        (("2026-03-01T10:30:00.000001Z",), "2026-03-01T10:30:00.000001Z", "2026-03-01T10:30:00.000002Z"),
        (("ge2026-03-01T10:30:00+01:00",), "2026-03-01T09:30:00.000000Z", None),
        (("ge2026-03-01T10:30:00 01:00",), "2026-03-01T09:30:00.000000Z", None),
        (("ge2026-03-01T10:30:00-01:00",), "2026-03-01T11:30:00.000000Z", None),
        (("9999",), "9999-01-01T00:00:00.000000Z", LAST),
        (("9999-12",), "9999-12-01T00:00:00.000000Z", LAST),
        (("9999-12-31",), "9999-12-31T00:00:00.000000Z", LAST),
        (("le9999-12-31T23:59:59Z",), None, LAST),
        (("le9999-12-31T23:59Z",), None, LAST),
        (("le9999-12-31T23:59:59.9Z",), None, LAST),
        (("gt9999",), LAST, None),
        (("lt9999",), None, "9999-01-01T00:00:00.000000Z"),
        (("le9999-12-31T23:59:59-01:00",), None, LAST),
        (("ge2026", "le9999-12-31"), "2026-01-01T00:00:00.000000Z", LAST),
        (("ge0001",), FIRST, None),
        (("ge0001-01-01T00:00:00+01:00",), FIRST, None),
        (("lt0001-01-01T00:00:00+01:00",), None, FIRST),
    ],
)
def test_a_date_is_a_period_at_its_own_precision(dates, since, until):
    """A date stands for all it does not say; prefixes say before, in or after; several are met together."""
    assert period_of(dates) == (since, until)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "ne2026",
        "ap2026",
        "GE2026",
        "26",
        "2026-13",
        "2026-02-30",
        "2026-03-01T",
        "2026-03-01T10",
        "2026-03-01T24:00Z",
        "2026-03-01T10:30:60Z",
        "2026-03-01T10:30:00.1234567Z",
        "2026-03-01T10:30:00+24:00",
        "2026-03-01T10:30:00+01:60",
        "0000",
        "9999-12-32",
        "10000",
        "٢٠٢٦",
        "2026,2027",
        "2026\n",
    ],
)
def test_what_is_no_date_is_refused(text):
    """Another prefix, an impossible day, a text: refused, with the parameter that is wrong."""
    with pytest.raises(InvalidRequestError) as caught:
        period_of([text])
    assert [pointer for pointer, _ in caught.value.errors] == ["/query/date"]


def test_references():
    """An id stands alone, with its type, or at the end of an address; several have commas between."""
    base = "https://x.example/fhir"
    assert ids_of("patient", None, "Patient") is None
    assert ids_of("patient", "a-1", "Patient") == ("a-1",)
    three = f"Patient/a,b,{base}/Patient/c"
    assert ids_of("patient", three, "Patient", base=base) == ("a", "b", "c")
    assert ids_of("agent", "Device/system:cli", "Practitioner", "Device") == ("system:cli",)
    assert ids_of("agent", "system:cli,a", "Practitioner", "Device") == ("system:cli", "a")
    for wrong in ("", "Patient/", "Group/a", "a/b", "a b", "a,", "Patient/a/_history/1"):
        with pytest.raises(InvalidRequestError):
            ids_of("patient", wrong, "Patient", base=base)


@pytest.mark.parametrize(
    ("text", "types", "base"),
    [
        ("https://elsewhere.example/fhir/Patient/a", ("Patient",), "https://x.example/fhir"),
        ("https://x.example/fhir/more/Patient/a", ("Patient",), "https://x.example/fhir"),
        ("https://xxexample/fhir/Patient/a", ("Patient",), "https://x.example/fhir"),
        ("https://x.example/fhir/a", ("Patient",), "https://x.example/fhir"),
        ("https://x.example/fhir/Patient/a", ("Patient",), ""),
        ("/Patient/a", ("Patient",), ""),
        ("Practitioner/system:cli", ("Practitioner", "Device"), ""),
        ("Device/a", ("Practitioner", "Device"), ""),
    ],
)
def test_a_reference_to_something_else_is_not_taken_for_ours(text, types, base):
    """What another server or another type calls by the same id is another thing."""
    with pytest.raises(InvalidRequestError):
        ids_of("who", text, *types, base=base)


def test_tokens():
    """A code stands alone or after its system; one that there is not is refused."""
    known, system = ("0", "4"), "http://x"
    assert codes_of("outcome", None, known, system) is None
    assert codes_of("outcome", "4", known, system) == ("4",)
    assert codes_of("outcome", "http://x|4,0", known, system) == ("4", "0")
    for wrong in ("5", "", "4|", "0,,4", "04"):
        with pytest.raises(InvalidRequestError):
            codes_of("outcome", wrong, known, system)


@pytest.mark.parametrize("text", ["bad|0", "|0", "0,bad|4", "http://x |0", "http://x|0|4", "http://x|"])
def test_a_code_of_another_system_is_refused(text):
    """The system of a token is part of what is searched for; so is that there is none."""
    with pytest.raises(InvalidRequestError) as caught:
        codes_of("outcome", text, ("0", "4"), "http://x")
    told = "Must be one of 0, 4, alone or after http://x|."
    assert caught.value.errors == (("/query/outcome", told),)
