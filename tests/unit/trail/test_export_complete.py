"""An export of one resident's entries proves that none of a closed month is left out."""

import asyncio
import json
import zipfile

import pytest

from app.access.visit import System
from app.audit import choosing, segments, verify
from app.audit.segments import Subject
from app.trail import closing
from app.trail.checkpoints import HOUSEKEEPING
from app.trail.closing import Counted, close_due
from app.trail.export_works import Filter
from tests.unit.trail.stories import admit, exported, list_residents, look_at

APRIL = "2026-04-01T00:00:00.000000Z"


def close(world):
    """Close the month that is over."""

    async def do(org, work):
        return world.answer(work, HOUSEKEEPING, System("checkpoints", org)).payload

    assert asyncio.run(close_due(do, world.org)) is not None


@pytest.fixture
def march(any_world):
    """March with three residents, two of them looked at, closed; April with one more."""
    world = any_world
    manager = world.person("registered_manager")
    world.residents = [admit(world, world.home, name) for name in ("Ash", "Birch", "Cedar")]
    for resident in world.residents[:2]:
        look_at(world, resident, manager)
    list_residents(world, manager)
    world.pass_time(days=31)
    world.residents.append(admit(world, world.home, "Dogwood"))
    close(world)
    world.auditor = world.person("auditor", None)
    return world


def report_on(world, notary, guards, tmp_path, **asked):
    """Return the verifier's report on an export of some lines, and its files."""
    path = tmp_path / "export.zip"
    path.write_bytes(exported(world, world.auditor, notary, guards, chosen=Filter(**asked)))
    with zipfile.ZipFile(path) as export:
        held = {name: export.read(name) for name in export.namelist()}
    return verify.verify_export(path, notary.vkeys(world.org)), held


def kinds(report):
    return [found.kind for found in report.findings]


@pytest.mark.parametrize("n", [0, 1, 2])
def test_all_of_a_closed_month_is_vouched_for(march, notary, guards, tmp_path, n):
    """Asked for up to the end of a closed month, nothing is left open: exit 0."""
    report, export = report_on(march, notary, guards, tmp_path, resident_id=march.residents[n], until=APRIL)

    assert (report.exit_code, report.findings, report.doubts) == (0, [], [])
    assert any("no line of the resident is left out" in text for text in report.checked)
    assert report.count == {0: 3, 1: 3, 2: 2}[n]
    assert len(export["segments.jsonl"].splitlines()) == 1


def test_that_there_is_no_entry_is_vouched_for_too(march, notary, guards, tmp_path):
    """A resident who came in April has no line in March, and that is proven by the leaves beside."""
    report, export = report_on(march, notary, guards, tmp_path, resident_id=march.residents[3], until=APRIL)

    assert (report.exit_code, report.count) == (0, 0)
    [told] = map(json.loads, export["segments.jsonl"].splitlines())
    assert (told["count"], told["last"]) == (0, None)
    assert told["leaves"]


def test_the_open_month_stays_in_doubt(march, notary, guards, tmp_path):
    """Without an end, or beyond the closed months, the verifier cannot vouch for the rest: exit 2."""
    for asked in ({}, {"until": "2026-04-02T00:00:00.000000Z"}, {"since": "2026-03-02T00:00:00.000000Z"}):
        report, _ = report_on(march, notary, guards, tmp_path, resident_id=march.residents[0], **asked)

        assert (report.exit_code, report.findings) == (2, [])
        assert any("may be left out" in text for text in report.doubts)


def test_other_selections_prove_nothing_of_the_kind(march, notary, guards, tmp_path):
    """By person, by action, or by a resident and an action: exit 2, as before."""
    for asked in ({"act": "resident.read"}, {"resident_id": march.residents[0], "act": "resident.read"}):
        report, _ = report_on(march, notary, guards, tmp_path, **asked)

        assert (report.exit_code, report.findings) == (2, [])


def test_it_tells_nothing_about_other_residents(march, notary, guards, tmp_path):
    """The proof names the resident whose export it is, and nobody else."""
    _, export = report_on(march, notary, guards, tmp_path, resident_id=march.residents[0], until=APRIL)
    told = export["segments.jsonl"].decode()

    assert not any(other in told for other in march.residents[1:])


# --- broken on purpose: a server that signs what it hands out, and leaves something out -------------------


def test_a_line_left_out_is_found(march, notary, guards, tmp_path, monkeypatch):
    """A server that hands out all but one entry, each with a good proof, is found out by the count."""
    numbers = choosing.numbers

    def dishonest(connection, org, wanted, within, most):
        found = numbers(connection, org, wanted, within, most)
        return found._replace(seqs=list(found.seqs)[:-1]) if wanted.resident_id else found

    monkeypatch.setattr(choosing, "numbers", dishonest)
    report, _ = report_on(march, notary, guards, tmp_path, resident_id=march.residents[0], until=APRIL)

    assert (report.exit_code, kinds(report)) == (1, ["SEGMENT"])
    assert "3 entries of 2026-03 concern the resident, here are 2" in report.as_text()


def test_a_smaller_count_is_found(march, notary, guards, tmp_path, monkeypatch):
    """The count cannot be told smaller than the month was closed with."""
    of = segments.Subjects.of

    def dishonest(self, resident):
        subject, placed = of(self, resident)
        return subject._replace(entries=subject.entries - 1), placed

    monkeypatch.setattr(segments.Subjects, "of", dishonest)
    report, _ = report_on(march, notary, guards, tmp_path, resident_id=march.residents[0], until=APRIL)

    assert (report.exit_code, kinds(report)) == (1, ["SEGMENT"])


def test_a_resident_kept_out_of_the_count_is_found(march, notary, guards, tmp_path, monkeypatch):
    """Neighbours with somebody between them do not prove that nobody is there."""
    of = segments.Subjects.of

    def dishonest(self, resident):
        _, [placed] = of(self, resident)
        return None, [self._placed(n) for n in (placed.at - 1, placed.at + 1) if 0 <= n < len(self)]

    monkeypatch.setattr(segments.Subjects, "of", dishonest)
    report, _ = report_on(march, notary, guards, tmp_path, resident_id=march.residents[0], until=APRIL)

    assert (report.exit_code, kinds(report)) == (1, ["SEGMENT"])


@pytest.mark.parametrize("wrong", ["left out", "counted less"])
def test_a_month_closed_wrongly_is_found_by_whoever_has_the_whole(
    any_world, notary, guards, tmp_path, monkeypatch, wrong
):
    """Closing a month with a resident less, or an entry less, shows in a whole export."""
    world, counted = any_world, closing.counted
    for name in ("Ash", "Birch"):
        admit(world, world.home, name)

    def dishonest(*asked):
        found = counted(*asked)
        first = Subject(found.subjects[0].resident, found.subjects[0].entries + 1, found.subjects[0].last)
        return Counted(
            found.subjects[1:] if wrong == "left out" else [first, *found.subjects[1:]], found.next
        )

    monkeypatch.setattr(closing, "counted", dishonest)
    world.pass_time(days=31)
    admit(world, world.home, "Cedar")
    close(world)
    world.auditor = world.person("auditor", None)
    report, _ = report_on(world, notary, guards, tmp_path)

    assert (report.exit_code, kinds(report)) == (1, ["SEGMENT"])


def test_a_month_closed_rightly_is_told_of_in_the_whole(march, notary, guards, tmp_path):
    """In a whole export the closing is checked against the lines and said to hold."""
    report, _ = report_on(march, notary, guards, tmp_path)

    assert report.exit_code == 0
    assert any("closes 2026-03: 3 residents" in text for text in report.checked)
