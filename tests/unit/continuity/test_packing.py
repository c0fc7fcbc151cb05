"""Packs as the job makes them: who is in them, what the trail knows first, and what a failure leaves."""

from datetime import timedelta
from pathlib import Path

import pytest

from app.access.visit import System
from app.backups.archive import BackupRefusedError
from app.continuity import packing
from app.continuity.works import DisclosePiece, EndPack
from app.jobs.scheduler import JobFailedError, Running, StoppedError
from app.printing import typesetting
from app.residents.leaving import DischargeResident, RemoveResident
from tests.unit.continuity.conftest import REASON

NO_TRAIL = "ALTER TABLE audit_event RENAME TO elsewhere"
TRAIL_AGAIN = "ALTER TABLE elsewhere RENAME TO audit_event"


def test_each_home_has_a_file_with_its_own_residents_only(homes):
    """Three homes of two providers: each resident stands in the file of their home and in no other."""
    world = homes.world
    other = world.found("Other Care")
    away = world.open_home(other, "Ash Lodge")
    names = {world.home: "Canaryone", world.other_home: "Canarytwo", away: "Canarythree"}
    for home, name in names.items():
        homes.admit(name, home, other if home == away else None, diet=[{"requirements": f"{name} porridge"}])
    told = {one["home"]: homes.opened(one).decode() for one in homes.run()}
    assert told.keys() == names.keys()
    for home, pack in told.items():
        assert [name for name in names.values() if name in pack or name.upper() in pack] == [names[home]]
    assert all(f"{name} porridge" in told[home] for home, name in names.items())


def test_every_category_arrives(homes):
    """What was recorded through the door stands in the pack, with the person's own facts."""
    homes.admit("Example")
    (told, _) = sorted(homes.run(), key=lambda one: -one["residents"])
    pack = homes.opened(told).decode()
    wanted = ["EXAMPLE, Ada", "Penicillin", "No CPR", "red folder, office", "Apixaban", "ON HOLD: Warfarin"]
    wanted += [
        "6: soft and bite-sized",
        "01632 960001",
        "30 Jun 2026",
        "two people to move",
        "Rosewood House",
    ]
    assert [] == [one for one in wanted if one not in pack]
    assert ("Aspirin" in pack, "Former" in pack) == (False, False)


def test_who_left_is_not_in_it(homes):
    """Discharged, dead and removed residents are in no pack, and no entry names them."""
    cli = System("cli", homes.world.org)
    stays, moved, died, removed = (homes.admit(name) for name in ("Stays", "Moved", "Died", "Removed"))
    for resident, reason in ((moved, "moved"), (died, "died")):
        work = DischargeResident(resident, "2026-03-01", reason)
        homes.world.answer(work, "POST /v1/residents/{resident_id}/discharge", cli)
    homes.world.answer(RemoveResident(removed, 1), "DELETE /v1/residents/{resident_id}", cli, reason="twice")
    (told,) = homes.run(homes.world.home)
    pack = homes.opened(told).decode()
    assert ("STAYS" in pack, told["residents"]) == (True, 1)
    assert not any(name in pack for name in ("MOVED", "DIED", "REMOVED"))
    assert [one["subs"] for one in homes.entries("continuity.pack")] == [[stays]]


def test_pieces_are_entries_before_anything_lies_in_the_folder(homes, monkeypatch):
    """A home of five in pieces of two: three entries name each resident once, then the file, then the end."""
    monkeypatch.setattr(packing, "PIECE", 2)
    residents = sorted(homes.admit(f"Name{n}", diet=[{"requirements": "soft"}]) for n in range(5))
    seen = []
    homes.before = lambda visit: seen.append((type(visit.work), homes.files()))
    (told,) = homes.run(homes.world.home)
    name = Path(told["path"]).name
    assert [files for work, files in seen if work is DisclosePiece] == [[], [], []]
    assert [files for work, files in seen if work is EndPack] == [[name]]
    pieces = homes.entries("continuity.pack")
    assert sorted(one for piece in pieces for one in piece["subs"]) == residents
    assert [piece["n"] for piece in pieces] == [2, 2, 1]
    for entry in (*pieces, *homes.entries("continuity.pack.end")):
        assert entry["obj"] == {"t": "continuity_pack", "id": told["pack"]}
        assert (entry["actor"], entry["homes"]) == (
            {"id": "system:cli", "kind": "system"},
            [homes.world.home],
        )
        assert entry["reason_h"], REASON
    assert [one["n"] for one in homes.entries("continuity.pack.end")] == [5]


@pytest.mark.parametrize("piece", [1, 2])
def test_without_its_entry_nothing_is_released(homes, monkeypatch, piece):
    """When the trail cannot be written - at the first piece or at a later one - there is no file at all."""
    monkeypatch.setattr(packing, "PIECE", 1)
    for n in range(2):
        homes.admit(f"Name{n}", diet=[{"requirements": "soft"}])
    pieces = []

    def take_the_trail_away(visit):
        if isinstance(visit.work, DisclosePiece):
            pieces.append(visit)
            if len(pieces) == piece:
                homes.behind(NO_TRAIL)

    homes.before = take_the_trail_away
    with pytest.raises(JobFailedError) as failed:
        homes.run(homes.world.home)
    homes.behind(TRAIL_AGAIN)
    assert failed.value.result["why"] == "audit-unavailable"
    assert (homes.files(), len(pieces)) == ([], piece)
    assert len(homes.entries("continuity.pack")) == piece - 1


def test_a_home_nobody_lives_in_has_a_pack_that_says_so(homes):
    """An empty home's pack replaces the one that still names somebody, and has its entry."""
    (told,) = homes.run(homes.world.home)
    assert told["residents"] == 0
    assert "<th>Residents</th><td>0</td>" in homes.opened(told).decode()
    assert [(one["n"], one.get("subs")) for one in homes.entries("continuity.pack")] == [(0, None)]


def test_the_cover_says_where_the_trail_stood(homes):
    """The checkpoint on the cover is signed after the pack's own entries and so vouches for them."""
    homes.admit("Example")
    (told,) = homes.run(homes.world.home)
    cover = homes.opened(told).decode().split('<table class="person">')[0]
    stamp = len(homes.world.entries()) - 2  # before the pack's end
    assert f"care.example/audit/{homes.world.org}, entries {stamp} to {stamp}" in cover
    assert f"{stamp + 1} entries, root " in cover
    assert "Continuity pack: Rosewood House" in cover
    assert ("2 Mar 2026, 09:00 UTC" in cover, "EXAMPLE" in cover) == (True, False)


def test_a_record_that_does_not_open_is_missed_not_passed_over(homes):
    """An altered row keeps one resident out of the pack; the cover says so, and the run fails."""
    broken, whole = homes.admit("Broken"), homes.admit("Whole")
    homes.behind(f"UPDATE resident SET unit = 'Attic' WHERE id = '{broken}'")
    with pytest.raises(JobFailedError, match="residents-missing") as failed:
        homes.run(homes.world.home)
    (told,) = failed.value.result["packs"]
    pack = homes.opened(told).decode()
    assert (told["missing"], told["residents"]) == ([broken], 1)
    assert f"Resident {broken}: the record could not be read" in pack
    assert ("1, and 1 NOT IN HERE" in pack, "BROKEN" in pack, "WHOLE" in pack) == (True, False, True)
    assert [one["subs"] for one in homes.entries("continuity.pack") if one["out"] == "ok"] == [[whole]]


def test_a_pdf_that_cannot_be_made_lies_there_as_html(homes, monkeypatch):
    """The home has its pack all the same, under the name of what it is; the run fails and says so."""
    homes.options["continuity_format"] = "pdf"
    homes.admit("Example")
    (whole,) = homes.run(homes.world.home)
    assert (whole["format"], homes.opened(whole)[:5]) == ("pdf", b"%PDF-")
    monkeypatch.setattr(typesetting, "_NOTE", '#panic("x")')
    homes.world.clock.advance(timedelta(minutes=1))
    with pytest.raises(JobFailedError, match="not-typeset") as failed:
        homes.run(homes.world.home)
    (told,) = failed.value.result["packs"]
    assert (told["format"], told["path"].endswith(".html.age")) == ("html", True)
    assert b"EXAMPLE, Ada" in homes.opened(told)


def test_each_pack_opens_for_its_own_people(homes):
    """A recipient named for one home opens that home's pack; the other home's opens for theirs alone."""
    world = homes.world
    lines = [f"{world.home} {homes.identity('one')}", f"{world.other_home} {homes.identity('two')}"]
    homes.recipients.write_text("\n".join(lines))
    told = {one["home"]: one for one in homes.run()}
    assert homes.opened(told[world.home], "one").startswith(b"<!doctype html>")
    assert homes.opened(told[world.other_home], "two").startswith(b"<!doctype html>")
    for home, name in ((world.home, "two"), (world.other_home, "one"), (world.home, "all")):
        with pytest.raises(BackupRefusedError, match="identity"):
            homes.opened(told[home], name)


def test_a_home_for_which_nobody_is_named_fails_and_the_others_do_not(homes):
    """A pack that nobody could open is not made, and said; the other home's is there."""
    homes.recipients.write_text(f"{homes.world.home} {homes.identity('one')}")
    with pytest.raises(JobFailedError, match="no-recipient") as failed:
        homes.run()
    assert [one["home"] for one in failed.value.result["packs"]] == [homes.world.home]
    assert [one["home"] for one in failed.value.result["faults"]] == [homes.world.other_home]


def test_a_stop_leaves_nothing_and_says_so(homes, monkeypatch):
    """A process that is told to stop releases nothing of the pack under way; its end says broken off."""
    monkeypatch.setattr(packing, "PIECE", 1)
    for n in range(2):
        homes.admit(f"Name{n}", diet=[{"requirements": "soft"}])
    running = Running("run", 0)

    def stop(visit):
        if isinstance(visit.work, DisclosePiece):
            running.stopping.set()

    homes.before = stop
    with pytest.raises(StoppedError):
        homes.job(homes.world.home).body(running)
    assert homes.files() == []
    assert [(one["out"], one["why"]) for one in homes.entries("continuity.pack.end")] == [
        ("fail", "broken-off")
    ]
    assert len(homes.entries("continuity.pack")) == 1
