"""A page ends where its bodies grow heavy; cursors lead through all of it, each record once."""

import base64

import pytest

from app.access.visit import System
from app.core.errors import InvalidRequestError
from app.residents import pages, records
from app.residents.correcting import AmendRecord
from app.residents.recording import MakeRecord
from app.residents.records import ListRecords, ListVersions
from tests.unit.trail.stories import admit

RECORDS = "/v1/residents/{resident_id}/records"
RECORD = RECORDS + "/{record_id}"


@pytest.fixture
def world(each_world):
    """A provider on each database."""
    return each_world


def document(size):
    """Return the body of a document of so many bytes."""
    data = base64.b64encode(bytes(size)).decode()
    return {"about": "care_plan", "title": "Letter", "media_type": "text/plain", "content_base64": data}


def recorded(world, resident, sizes):
    """Record documents, each a minute later; return their ids, newest first."""
    made = []
    for n, size in enumerate(sizes):
        work = MakeRecord(resident, "document", f"2026-02-01T10:{n:02}:00Z", document(size))
        made.append(world.answer(work, f"POST {RECORDS}", System("cli", world.org)).payload["id"])
    return made[::-1]


def walked(page):
    """Return the pages of a list, each as what its items are called by `page`."""
    found, cursor = [], None
    while True:
        names, cursor = page(cursor)
        found.append(names)
        if cursor is None:
            return found


def of_records(world, resident, nurse, limit=50):
    """Return a reader of pages of records, by their ids."""

    def page(cursor):
        work = ListRecords(resident, None, None, None, limit, cursor)
        told = world.answer(work, f"GET {RECORDS}", nurse).payload
        return [item["id"] for item in told["items"]], told["next_cursor"]

    return page


def of_versions(world, resident, record, nurse):
    """Return a reader of pages of versions, by their numbers."""

    def page(cursor):
        work = ListVersions(resident, record, None, False, cursor)
        told = world.answer(work, f"GET {RECORD}/versions", nurse).payload
        return [item["version"] for item in told["items"]], told["next_cursor"]

    return page


def test_a_page_of_records_ends_where_it_grows_heavy(world, monkeypatch):
    """The one that makes it heavy is the last of its page; each stands on one page, newest first."""
    monkeypatch.setattr(pages, "MOST_BYTES", 3000)
    resident, nurse = admit(world, world.home), world.person("nurse")
    ids = recorded(world, resident, [10, 10, 2400, 10, 2400, 2400, 10])
    found = walked(of_records(world, resident, nurse))

    assert [ids[:2], ids[2:3], ids[3:5], ids[5:]] == found


def test_one_that_is_heavier_than_a_page_is_a_page_of_its_own(world, monkeypatch):
    """Nothing is too heavy to be shown."""
    monkeypatch.setattr(pages, "MOST_BYTES", 1)
    resident, nurse = admit(world, world.home), world.person("nurse")
    ids = recorded(world, resident, [50, 60, 70])

    assert [[one] for one in ids] == walked(of_records(world, resident, nurse))


def test_light_records_are_listed_as_many_as_are_asked_for(world):
    """Where nothing is heavy, only the limit ends a page."""
    resident, nurse = admit(world, world.home), world.person("nurse")
    ids = recorded(world, resident, [5] * 5)

    assert [ids] == walked(of_records(world, resident, nurse))
    assert [ids[:2], ids[2:4], ids[4:]] == walked(of_records(world, resident, nurse, limit=2))


def test_versions_are_listed_in_pages_as_well(world, monkeypatch):
    """Newest first, each version once, so many to a page; a cursor of another list is refused."""
    resident, nurse = admit(world, world.home), world.person("nurse")
    record, other = recorded(world, resident, [2000, 10])[::-1]
    for was in range(1, 5):
        work = AmendRecord(resident, record, was, "2026-02-01T10:00:00Z", document(2000), "A better scan.")
        world.answer(work, f"PUT {RECORD}", System("cli", world.org))
    assert [[5, 4, 3, 2, 1]] == walked(of_versions(world, resident, record, nurse))

    monkeypatch.setattr(pages, "MOST_BYTES", 5000)
    assert [[5, 4], [3, 2], [1]] == walked(of_versions(world, resident, record, nurse))
    _, cursor = of_versions(world, resident, record, nurse)(None)
    monkeypatch.setattr(pages, "MOST_BYTES", 100_000)
    monkeypatch.setattr(records, "MOST_VERSIONS", 3)
    assert [[5, 4, 3], [2, 1]] == walked(of_versions(world, resident, record, nurse))
    refused = world.do(ListVersions(resident, other, None, False, cursor), f"GET {RECORD}/versions", nurse)
    assert isinstance(refused, InvalidRequestError)


def test_the_largest_documents_there_may_be_are_two_to_a_page(world):
    """A turn reads and unseals some 14 MB at most, whatever the limit."""
    resident, nurse = admit(world, world.home), world.person("nurse")
    ids = recorded(world, resident, [5 << 20] * 3)

    assert [ids[:2], ids[2:]] == walked(of_records(world, resident, nurse, limit=200))
