"""Exports that are refused, or that break off."""

import asyncio

import anyio
import pytest
from sqlalchemy import text

from app.access.visit import VisitRefusedError
from app.core.errors import AuditUnavailableError, ForbiddenError, InvalidRequestError
from app.trail import exporting
from app.trail.export_works import ExportEnd
from tests.support.unprotected import removal
from tests.unit.trail.stories import last_two, serving, story


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Chunks smaller than the trail, so that an export can break off between two."""
    monkeypatch.setattr(exporting, "LINES_AT_ONCE", 7)


def refused(world, who, notary, guards, format_="zip"):
    with pytest.raises(VisitRefusedError) as caught:
        asyncio.run(exporting.begin(serving(world, who), notary, guards, format_))
    return caught.value.error


def test_a_format_that_is_not_there_is_refused(world, notary, guards):
    """Another format is answered with those that there are, and the refusal is one entry."""
    error = refused(world, world.person("auditor", None), notary, guards, "pdf")

    assert isinstance(error, InvalidRequestError)
    assert error.errors == (("/query/format", "Must be one of zip, jsonl, csv, fhir."),)
    assert (world.entry()["act"], world.entry()["out"]) == ("audit.export", "fail")


@pytest.mark.parametrize(("role", "home"), [("carer", "home"), ("deputy_manager", "home")])
def test_it_needs_the_right_for_the_whole_organisation(world, notary, guards, role, home):
    """An export is of the whole organisation; whoever has less is refused before a byte is read."""
    assert isinstance(refused(world, world.person(role, home), notary, guards), ForbiddenError)
    assert (world.entry()["act"], world.entry()["out"]) == ("audit.export", "deny")


def test_a_client_that_leaves_is_recorded(world, notary, guards):
    """When the client breaks off, the second entry says so, with the lines it was handed."""
    auditor = story(world)

    async def run():
        export = await exporting.begin(serving(world, auditor), notary, guards, "jsonl")
        stream = export.stream()
        await anext(stream)
        await anext(stream)
        await stream.aclose()

    asyncio.run(run())
    end = world.entries()[-1]
    assert (end["act"], end["out"], end["why"], end["n"]) == ("audit.export.end", "fail", "broken-off", 7)


def test_a_cancelled_answer_is_recorded(world, notary, guards):
    """A server that cancels the answer's task still has the end recorded."""
    auditor = story(world)

    async def run():
        export = await exporting.begin(serving(world, auditor), notary, guards, "zip")

        begun = asyncio.Event()

        async def consume():
            async for _ in export.stream():
                begun.set()
                await asyncio.sleep(60)

        task = asyncio.create_task(consume())
        await begun.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    assert last_two(world) == [("audit.export", "ok"), ("audit.export.end", "fail")]


def test_an_answer_in_a_cancelled_scope_is_recorded(world, notary, guards):
    """A scope that cancels every further wait, as the web server's does, does not stop the end either."""
    auditor = story(world)

    async def run():
        export = await exporting.begin(serving(world, auditor), notary, guards, "jsonl")
        with anyio.CancelScope() as scope:
            try:
                async for _ in export.stream():
                    scope.cancel()
                    await anyio.sleep(60)
            finally:
                await export.close()
        await asyncio.sleep(0.01)

    asyncio.run(run())
    assert last_two(world) == [("audit.export", "ok"), ("audit.export.end", "fail")]


def test_an_export_nobody_fetches_ends_when_it_is_closed(world, notary, guards):
    """Closing an export whose stream was never begun records its end, once."""
    auditor = story(world)

    async def run():
        export = await exporting.begin(serving(world, auditor), notary, guards, "csv")
        await export.close()
        await export.close()

    asyncio.run(run())
    assert [e["act"] for e in world.entries()].count("audit.export.end") == 1
    assert world.entries()[-1]["n"] == 0


def test_a_session_that_ends_breaks_the_export_off(world, notary, guards):
    """Each chunk recognises the caller again: when the session is over, so is the export."""
    auditor = story(world)

    async def run():
        export = await exporting.begin(serving(world, auditor), notary, guards, "jsonl")
        stream = export.stream()
        await anext(stream)
        world.pass_time(hours=13)
        await anext(stream)

    with pytest.raises(VisitRefusedError) as caught:
        asyncio.run(run())
    assert caught.value.error.slug == "session-ended"
    began, end = world.entries()[-2:]
    assert (began["act"], began["out"]) == ("audit.export", "ok")
    assert (end["act"], end["out"], end["why"]) == ("audit.export.end", "fail", "lifetime-over")


def test_lines_that_are_gone_break_the_export_off(world, notary, guards, caplog):
    """An export that cannot read all its lines is not finished as if it had, and the log says where."""
    auditor = story(world)

    async def run():
        export = await exporting.begin(serving(world, auditor), notary, guards, "jsonl")
        world.looking(lambda c: [c.execute(text(s)) for s in removal("sqlite")])
        world.looking(lambda c: c.execute(text("DELETE FROM audit_event WHERE seq = 9")))
        async for _ in export.stream():
            pass

    with pytest.raises(VisitRefusedError) as caught:
        asyncio.run(run())
    assert caught.value.error.why == "lines-missing"
    [told] = [record for record in caplog.records if record.msg == "export-over-a-hole"]
    assert (told.chain, told.seq, told.count) == (world.org, 7, 1)
    assert world.entries()[-1]["why"] == "broken-off"


def test_an_end_that_cannot_be_recorded_is_logged(world, notary, guards, caplog):
    """When the door is gone, the missing end is told of in the log."""
    auditor = story(world)
    serve = serving(world, auditor)

    async def failing(operation, work):
        if isinstance(work, ExportEnd):
            raise VisitRefusedError(AuditUnavailableError(), None)
        return await serve(operation, work)

    async def run():
        export = await exporting.begin(failing, notary, guards, "jsonl")
        async for _ in export.stream():
            pass

    asyncio.run(run())
    assert "export-end-not-recorded" in caplog.messages
