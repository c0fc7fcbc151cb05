"""Who amends what: authors their own for a day, and documents that came without their bytes."""

import pytest

from app.access.visit import System, Visited
from app.core.errors import ForbiddenError, InvalidRequestError
from app.exchange.fhir import plan
from app.exchange.importing import IMPORT, ImportBundle
from app.residents.correcting import AmendRecord
from app.residents.recording import MakeRecord
from app.residents.records import ReadRecord
from tests.unit.exchange.making import PATIENT, WIN

MAKE = "POST /v1/residents/{resident_id}/records"
ONE = "/v1/residents/{resident_id}/records/{record_id}"
CONTENT = "bGV0dGVy"


def test_an_own_amendment_does_not_begin_the_day_anew(provider):
    """The 24 hours of an author run from the first version, whatever they amended since."""
    world, resident = provider.world, provider.admit(left_on=None)
    carer = world.person("carer")
    occurred = world.later(minutes=-5)
    note = MakeRecord(resident, "daily_note", occurred, {"text": "slept"})
    made = world.answer(note, MAKE, carer).payload

    def amend(was, text):
        world.sign_in(carer)
        work = AmendRecord(resident, made["id"], was, occurred, {"text": text}, "a slip")
        return world.do(work, f"PUT {ONE}", carer)

    world.pass_time(hours=20)
    within = amend(1, "slept well")
    world.pass_time(hours=5)
    beyond = amend(2, "slept badly")

    assert isinstance(within, Visited), within
    assert isinstance(beyond, ForbiddenError), beyond


# --- documents ----------------------------------------------------------------------------------------


@pytest.fixture
def document(provider):
    """An imported document whose bytes are elsewhere: its resident, its id and its body."""
    world, cli = provider.world, System("cli", provider.world.org)
    letter = {
        "resourceType": "DocumentReference",
        "id": "it",
        "subject": WIN,
        "date": "2026-02-01T08:00:00Z",
        "content": [{"attachment": {"title": "Letter", "contentType": "text/plain"}}],
    }
    listed = [{"resource": PATIENT}, {"resource": letter}]
    made = plan({"resourceType": "Bundle", "type": "collection", "entry": listed}, world.now)
    report = world.answer(ImportBundle(made, world.home), IMPORT, cli).payload
    [resident], [record] = report["residents"], report["records"]
    shown = world.answer(ReadRecord(resident["id"], record["id"]), f"GET {ONE}", cli).payload
    assert shown["body"]["content_base64"] is None
    return shown


def amended(provider, document, was, **more):
    """Return what comes of an amendment of a document's body."""
    body = document["body"] | more
    work = AmendRecord(
        document["resident_id"], document["id"], was, document["occurred_at"], body, "another title"
    )
    return provider.world.do(work, f"PUT {ONE}", System("cli", provider.world.org))


def test_a_document_without_bytes_is_amended_as_it_is(provider, document):
    """What an import found without its bytes is written back without them, under another title."""
    outcome = amended(provider, document, 1, title="Letter of the GP")

    assert isinstance(outcome, Visited), getattr(outcome, "errors", outcome)
    assert document["body"] | {"title": "Letter of the GP"} == outcome.answer.payload["body"]
    assert [] == provider.findings()


def test_a_document_never_loses_its_bytes(provider, document):
    """The bytes may be added later; from then on null is refused, as it is for every other document."""
    added = amended(provider, document, 1, content_base64=CONTENT)
    lost = amended(provider, document, 2, content_base64=None)

    assert isinstance(added, Visited)
    assert CONTENT == added.answer.payload["body"]["content_base64"]
    assert isinstance(lost, InvalidRequestError)
    assert ["/body/content_base64"] == [pointer for pointer, _ in lost.errors]


@pytest.mark.parametrize("about", ["care_plan", "finance"])
def test_a_document_stays_about_what_it_is_about(provider, document, about):
    """What it is about decides who reads it: no amendment changes that, not even to what its author reads."""
    assert about != document["body"]["about"]

    refused = amended(provider, document, 1, about=about)

    assert isinstance(refused, InvalidRequestError)
    assert ["/body/about"] == [pointer for pointer, _ in refused.errors]
    assert (1, document["body"]["about"]) == tuple(
        provider.row("record", id=document["id"])[name] for name in ("version", "about")
    )


def test_a_document_without_bytes_says_so(provider, document):
    """Leaving the field out is refused: null says that there are no bytes, nothing says nothing."""
    said = {name: value for name, value in document["body"].items() if name != "content_base64"}
    refused = amended(provider, document | {"body": said}, 1)

    assert isinstance(refused, InvalidRequestError)
    assert ["/body/content_base64"] == [pointer for pointer, _ in refused.errors]
