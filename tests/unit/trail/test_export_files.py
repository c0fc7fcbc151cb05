"""What the server writes quickly is, to the byte, what the verifier derives."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from app.audit import verify
from app.trail import export_files
from tests.support.sample_export import ANN, RESIDENTS, actor, canonical, event
from tests.unit.audit.examining import SAMPLE

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@settings(max_examples=300, deadline=None)
@given(name=TEXTS, why=TEXTS, number=st.integers(-(2**53) + 1, 2**53 - 1), subs=st.lists(TEXTS, max_size=3))
def test_rows_of_fhir_are_the_verifiers_own(name, why, number, subs):
    """Whatever names, codes and numbers a line holds, both write the same bytes."""
    more = {"why": why, "subs": subs or RESIDENTS, "obj": {"t": why, "id": name, "ver": number, "cat": why}}
    e = event(0, "record.update", actor=actor(ANN, 0, name), chg=[{"f": why}], src={"rid": why}, **more)
    line = canonical({"c": {"org": SAMPLE.org, "prev": "", "seq": 0, "ts": "t"}, "e": e})
    leaf = verify.leaf_hash(line).hex()
    expected = verify.fhir_rows(json.loads(line), leaf, {0: name}, SAMPLE.origin)

    assert b"".join(export_files.fhir_of([line], {0: name}, SAMPLE.origin)) == expected
    assert expected.count(b"\n") == len(subs or RESIDENTS)


def test_names_needed_are_those_of_who_acted():
    """Of lines those identity entries are told that their actors name, each once."""
    assert export_files.names_held(SAMPLE.lines) == {0, 1, 2}
    assert export_files.names_held([]) == set()
