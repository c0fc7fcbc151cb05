"""A slice of the campaign of the same name: three roles against every operation, good data and bad."""

import pytest

from tests.http.errands import Ground
from tests.http.fuzzing import Fuzzer
from tests.support.served import Served

EXAMPLES = 2


@pytest.fixture(scope="module")
def ground(served: Served) -> Ground:
    """What there is to be read and changed."""
    return Ground(served)


@pytest.mark.parametrize(
    ("role", "wide"), [("registered_manager", True), ("carer", False), ("auditor", True)]
)
def test_no_request_made_from_the_description_breaks_it(
    served: Served, ground: Ground, role: str, wide: bool
) -> None:
    """Whatever fits the description, or does not, is answered as described, without 5xx, with one entry."""
    findings = Fuzzer(served, ground, role, wide=wide).run(EXAMPLES)

    assert findings.requests > 50 * EXAMPLES
    assert [] == findings.wrong
