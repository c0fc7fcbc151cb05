"""What the doctor says of endpoints that are told of alerts."""

from datetime import timedelta

import pytest

from app.operations.database_facts import EndpointFacts
from app.operations.webhook_checks import check_endpoints
from tests.unit.operations.facts import AT, HOUR

ON = EndpointFacts("e1", None, None)
TRIED = ON._replace(id="e2", failing_since=AT - HOUR)
SILENT = ON._replace(id="e3", failing_since=AT - HOUR - timedelta(seconds=1))
ASKED = SILENT._replace(id="e4", off_because="asked")
GONE, FAILING = ON._replace(id="e5", off_because="gone"), ON._replace(id="e6", off_because="failing")


@pytest.mark.parametrize(
    ("endpoints", "result", "named"),
    [
        ([], "ok", "0 endpoints"),
        ([ON, TRIED, ASKED], "ok", "2 endpoints"),
        ([ON, SILENT], "warning", ": e3"),
        ([ON, GONE], "failed", ": e5"),
        ([SILENT, ASKED, FAILING, GONE], "failed", ": e6, e5"),
        ([GONE] * 3 + [FAILING] * 2, "failed", "e5, e5, e5 and 2 more"),
    ],
)
def test_an_endpoint_that_hears_nothing_is_told_of(
    endpoints: list[EndpointFacts], result: str, named: str
) -> None:
    """Off by itself is a failure, an hour in vain a warning; off because somebody asked is neither."""
    found = check_endpoints(endpoints, None, AT)

    assert ("webhooks", result, False) == (found.name, found.result, found.stops)
    assert found.told.endswith(named) or named in found.told
    assert bool(found.advice) is (result != "ok")


@pytest.mark.parametrize(
    ("endpoints", "result", "named"),
    [
        ([ON, SILENT], "failed", "at 2 endpoints: the extra is away"),
        ([ON, GONE], "failed", ": e5"),
        ([ASKED], "ok", "0 endpoints"),
        ([], "ok", "0 endpoints"),
    ],
)
def test_what_cannot_be_sent_is_told_where_somebody_waits_for_it(
    endpoints: list[EndpointFacts], result: str, named: str
) -> None:
    """Without the extra nothing is delivered. Who has no endpoint needs none."""
    found = check_endpoints(endpoints, "the extra is away", AT)

    assert ("webhooks", result, False) == (found.name, found.result, found.stops)
    assert named in found.told
