"""What ended after a backup does not come back with it: `audit recover` ends it again."""

import json
import shutil
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from app.access.visit import Visited
from app.audit.ended_file import FOLDER, START, EndedFiles
from app.commands import recovering
from app.commands.bringing_back import notary_of
from app.commands.calling import present
from app.commands.ended_check import check_ended, lost_lines
from app.commands.ending_again import end_again, plans
from app.commands.recovering import _found
from app.core.clock import SystemClock
from app.core.errors import StartRefusedError
from app.core.identifiers import SYSTEM
from app.core.settings import load
from app.identity.accounts import ReactivateAccount
from app.identity.ended_again import VOID
from app.identity.own_credentials import ConfirmTotp
from app.trail.recovering import RECOVER, RecordRecovery
from tests.unit.commands.ended_scene import NEW, findings, lived, opened, restored, row
from tests.unit.commands.places import found_place, looking
from tests.unit.identity.test_verbs_credentials import CONFIRM

RECOVERED = ("audit", "recover", "--reason", "the disk broke", "--yes", "--json")


@pytest.fixture
def story(place):
    """The story on each database."""
    return lived(place)


@pytest.fixture
def small(request, tmp_path):
    """The story on SQLite alone, for what does not depend on the database."""
    return lived(found_place(request, tmp_path, "sqlite"))


def recovered(line, *more):
    """Record the loss and return what was done again in the organisation's chain."""
    told = line.run(*RECOVERED, *more)
    assert 0 == told.code, told.err
    (ended,) = told.json["ended"]
    return ended, told.err


def events(line, org):
    """Return what happened in a chain, in order."""
    with looking(line) as connection:
        lines = connection.execute(
            text("SELECT line FROM audit_event WHERE org = :org ORDER BY seq"), {"org": org}
        )
        return [json.loads(bytes(line))["e"] for line in lines.scalars()]


def refusal(world, person, **more):
    """Return why somebody cannot sign in; None if they can."""
    outcome = world.try_sign_in(person.username, person.password, **more)
    return None if isinstance(outcome, Visited) else outcome.why


def step_of_now():
    """Return the step an authenticator is in."""
    return int(SystemClock().now().timestamp()) // 30


def test_what_ended_after_the_backup_ends_again(story, tmp_path):
    """Nothing starts before it; then keys, accounts and codes are gone, each with an entry, and rows hold."""
    line = restored(story, tmp_path / "restored")
    assert row(line, "resident", story.resident)["wrapped_key"], "the backup still has the key"
    assert 2 == line.run("keys", "status").code
    ended, _ = recovered(line)

    people = {name: person.id for name, person in story.people.items()}
    assert (ended["complete"], ended["erased"], ended["shifts_cancelled"]) == (True, 1, 1)
    assert (ended["deactivated"], ended["offers_dropped"]) == ([people["left"]], 1)
    waiting = {people[name] for name in ("changed_password", "changed_factor", "moved", "new")}
    assert waiting < set(ended["to_be_let_back_in"])
    first = set(ended["to_be_let_back_in"]) - waiting
    assert 1 == len(first), "the first user never used the password of `init`"
    assert b"" == bytes(row(line, "resident", story.resident)["wrapped_key"])
    assert row(line, "resident", story.resident_stays)["wrapped_key"]
    assert [] == findings(line)

    entries = events(line, story.org)
    (erased,) = (one["erased"] for one in entries if one["act"] == "resident.erase")
    lost = events(story.place.line, story.org)
    assert "resident.erase" == lost[erased["again"]]["act"]
    assert [people["left"]] == [one["obj"]["id"] for one in entries if one["act"] == "user.deactivate"]
    (settled,) = (one["settled"] for one in entries if "settled" in one)
    assert settled["codes"] == [people["used_code"]]
    with looking(line) as connection:
        asked = connection.execute(text("SELECT status, asked_at, approved_at FROM erasure")).one()
    assert ("approved", True) == (asked.status, asked.asked_at < asked.approved_at)


def test_nobody_signs_in_with_what_ended(story, tmp_path):
    """After a restore no session, used code, old or first password opens anything; untouched accounts do."""
    line = restored(story, tmp_path / "restored")
    recovered(line)
    with looking(line) as connection:
        assert 0 == connection.execute(text("SELECT count(*) FROM session WHERE ended_at IS NULL")).scalar()
    people = story.people
    with opened(line) as world:
        world.org = story.org
        for name in ("left", "changed_password", "changed_factor", "moved", "new", "agency"):
            person = people[name]
            person.last_step = 0
            world_otp = {"otp": world.otp(person)} if person.totp_secret else {}
            assert refusal(world, person, **world_otp), name
        assert VOID == row(line, "account", people["changed_password"].id)["password_hash"]
        assert not row(line, "account", people["changed_factor"].id)["totp_confirmed"]
        used, unused = (story.codes[name] for name in ("used_code", "other_code"))
        for code in used:
            world.pass_time(hours=1)
            why = refusal(world, people["used_code"], recovery_code=code)
            assert "recovery-code-wrong" == why
        assert refusal(world, people["other_code"], recovery_code=unused[0]) is None
        offered = people["offered"]
        offered.last_step = 0
        world.sign_in(offered)
        refused = world.refusal(ConfirmTotp(world.otp(offered)), CONFIRM, offered)
        assert "nothing-offered" == refused.why
        world.pass_time(minutes=1)
        for name in ("stays", "returned", "used_code"):
            people[name].last_step = 0
            assert refusal(world, people[name], otp=world.otp(people[name])) is None


def test_a_code_of_this_minute_counts_as_used(small, tmp_path):
    """What an authenticator shows at the time of the recovery may have been used on the lost database."""
    line = restored(small, tmp_path / "restored")
    earliest = step_of_now()
    recovered(line)
    person = small.people["stays"]
    with looking(line) as connection:
        query = text("SELECT otp_step FROM account_one_time WHERE user_id = :id")
        used = connection.execute(query, {"id": person.id}).scalar_one()
    assert earliest + 1 <= used <= step_of_now() + 1, "one step ahead is accepted, so it is used, too"
    with opened(line) as world:
        world.clock.advance(datetime.fromtimestamp((used - 1) * 30, UTC) - world.now)
        person.last_step = used - 1
        assert "otp-wrong" == refusal(world, person, otp=world.otp(person))
        world.pass_time(seconds=30)
        assert refusal(world, person, otp=world.otp(person)) is None


def test_a_manager_or_the_operator_lets_people_back_in(small, tmp_path):
    """Roles are looked at, then the account reactivated; for a lost password there is `users reset`."""
    line = restored(small, tmp_path / "restored")
    recovered(line)
    reset = line.run("users", "reset", "--username", "maria.sample", "--reason", "restored", "--json")
    assert 0 == reset.code, reset.err
    people = small.people
    with opened(line) as world:
        world.org = small.org
        people["maria"] = maria = people["stays"].__class__(
            reset.json["user_id"], small.org, "maria.sample", "", None, None, reset.json["one_time_password"]
        )
        assert refusal(world, maria) is None, "the first user signs in with the new one-time password"
        world.pass_time(minutes=2)
        world.sign_in(people["manager"])
        back = ReactivateAccount(people["moved"].id, "looked at")
        world.answer(back, "POST /v1/users/{user_id}/reactivate", people["manager"])
        assert refusal(world, people["moved"], otp=world.otp(people["moved"])) is None
        back = ReactivateAccount(people["changed_password"].id, "looked at")
        world.answer(back, "POST /v1/users/{user_id}/reactivate", people["manager"])
        person = people["changed_password"]
        assert "wrong-password" == refusal(world, person, otp=world.otp(person))
        person.password = NEW
        assert "wrong-password" == refusal(world, person, otp=world.otp(person)), "nor the lost new one"
    assert [] == findings(line)
    assert 1 == line.run("users", "reset", "--username", "no.body", "--reason", "x").code


def test_a_recovery_that_is_broken_off_is_done_again(small, tmp_path):
    """A crash before the guard begins anew leaves a start that is refused; the next run completes it."""
    line = restored(small, tmp_path / "restored")
    with opened(line, recovering=True) as world:
        found = _found(world.service)
        planned = plans(world.service, found)
        present(world.service, SYSTEM, RECOVER, RecordRecovery(world.service.guards, found), "broken off")
        assert 1 == end_again(world.service, planned[0])["erased"]
    assert 2 == line.run("keys", "status").code
    ended, _ = recovered(line)

    assert (0, [], []) == (ended["erased"], ended["deactivated"], ended["to_be_let_back_in"])
    assert (True, 0) == (ended["complete"], ended["codes_used_up"])
    assert 0 == line.run("keys", "status").code
    assert [] == findings(line)


def test_what_ended_is_ended_before_the_guard_begins_anew(small, tmp_path, monkeypatch):
    """Killed while it ends things again, the recovery leaves the old guard, and nothing starts."""
    line = restored(small, tmp_path / "restored")

    def killed(*_arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(recovering, "end_again", killed)
        assert 130 == line.run(*RECOVERED).code
    assert 2 == line.run("keys", "status").code
    assert 1 == recovered(line)[0]["erased"]


def test_an_altered_account_does_not_hold_the_recovery_up(small, tmp_path):
    """A row that was changed behind the service's back is named; it opens nothing, so the rest goes on."""
    line = restored(small, tmp_path / "restored")
    left = small.people["left"].id
    with looking(line) as connection:
        connection.execute(text("UPDATE account SET kind = 'agency' WHERE id = :id"), {"id": left})
        connection.commit()
    ended, _ = recovered(line)

    assert ([left], [], 1) == (ended["altered"], ended["deactivated"], ended["erased"])
    with opened(line) as world:
        person = small.people["left"]
        person.last_step = 0
        assert "state-broken" == refusal(world, person, otp=world.otp(person))


def test_the_copy_with_the_backups_will_do(small, tmp_path):
    """Where the ledger beside the guard is lost or damaged, that is said, and the copy is taken."""
    line = restored(small, tmp_path / "restored")
    body = line.data_dir / "guard" / FOLDER / f"{small.org}.jsonl"
    body.write_bytes(body.read_bytes().replace(b'"ended"', b'"asked"'))
    ended, said = recovered(line)

    assert f"({line.data_dir}/guard/ended) is damaged: its lines are not those that were signed" in said
    assert f"the ledger with the backups ({line.data_dir}/backups/ended) reaches to line" in said
    assert (True, 1) == (ended["complete"], ended["erased"])


def test_a_longer_copy_of_a_history_that_was_given_up_hides_nothing(small, tmp_path):
    """A copy that reaches further, and knows nothing of what ended, does not replace the guard's own."""
    line = restored(small, tmp_path / "restored")
    copy = line.data_dir / "backups" / FOLDER
    shutil.rmtree(copy)
    EndedFiles(copy, _notary(line)).extend(small.org, START, 10_000, "aa", [])
    ended, _ = recovered(line)

    assert (True, 1, 10) == (ended["complete"], ended["erased"], ended["codes_used_up"])
    assert [] == findings(line)


def test_a_lost_ledger_is_said_and_codes_are_void(small, tmp_path):
    """Without a ledger nobody knows what ended: the operator, the entry and the result say so."""
    line = restored(small, tmp_path / "restored")
    shutil.rmtree(line.data_dir / "guard" / FOLDER)
    shutil.rmtree(line.data_dir / "backups" / FOLDER)
    kept = len(events(line, small.org))
    ended, said = recovered(line, "--without-ledger")

    assert ("is missing" in said, f"NOBODY KNOWS what ended after line {kept}:" in said) == (True, True)
    assert (False, None, 0) == (ended["complete"], ended["ledger_lines"], ended["erased"])
    (settled,) = (one["settled"] for one in events(line, small.org) if "settled" in one)
    users = sorted(small.people[name].id for name in ("used_code", "other_code"))
    assert (users, None) == (settled["codes"], settled["ledger"])
    assert 20 == ended["codes_used_up"], "the backup was made before one was used"
    with opened(line) as world:
        assert refusal(world, small.people["other_code"], recovery_code=small.codes["other_code"][0])


def test_without_a_guard_the_copy_with_the_backups_is_enough(small, tmp_path):
    """After a fire there is a backup and the folder beside it: what ended is known without any guard."""
    line = restored(small, tmp_path / "restored")
    shutil.rmtree(line.data_dir / "guard")
    assert "no guard file" in line.run("keys", "status").err
    ended, _ = recovered(line)

    assert (True, 1, 10) == (ended["complete"], ended["erased"], ended["codes_used_up"])
    assert [] == findings(line)


def test_a_short_ledger_is_told_with_the_line_it_reaches(small, tmp_path):
    """A ledger older than the guard counts as far as it goes; what is beyond it and the backup is unknown."""
    line = restored(small, tmp_path / "restored")
    guard = line.data_dir / "guard"
    files = EndedFiles(guard / FOLDER, _notary(line))
    whole = files.read(small.org)
    cut = next(n for n, one in enumerate(whole.lines) if one["kind"] == "ended")
    shutil.rmtree(guard / FOLDER)
    shutil.rmtree(line.data_dir / "backups" / FOLDER)
    lines = [json.dumps(one).encode() + b"\n" for one in whole.lines[:cut]]
    reached = whole.lines[cut]["seq"]
    EndedFiles(guard / FOLDER, _notary(line)).extend(small.org, START, reached, "aa", lines)
    assert reached > len(events(line, small.org))
    ended, said = recovered(line, "--without-ledger")

    assert f"NOBODY KNOWS what ended after line {reached}: the guard knew" in said
    assert (False, 1, []) == (ended["complete"], ended["erased"], ended["deactivated"])


def test_a_ledger_that_is_ignored_is_found_by_the_check(small, tmp_path):
    """The drill's check looks at rows: whatever the recovery claims, what came back is found."""
    line = restored(small, tmp_path / "restored")
    with opened(line, recovering=True) as world:
        settings = world.service.settings
        sizes = {one.org: {"size": one.size} for one in _found(world.service)}
        lost = lost_lines(world.service.guards.ended, sizes)
    claimed = {"organisation": small.org, "complete": True}
    for kind in ("erased", "ended", "credentials", "code", "shift", "assignments"):
        only = {small.org: [one for one in lost[small.org] if one["kind"] == kind]}
        assert only[small.org], kind
        with pytest.raises(StartRefusedError, match=rf"is back \({kind}\)"):
            check_ended(settings, only, [claimed])
    with pytest.raises(StartRefusedError, match="a session"):
        check_ended(settings, {}, [claimed])
    with pytest.raises(StartRefusedError, match="is short"):
        check_ended(settings, lost, [claimed | {"complete": False}])
    told, _ = recovered(line)
    assert 1 == check_ended(settings, lost, [told])["erased"]


def test_a_drill_does_it_all_again_and_counts(story):
    """The drill restores, has the ledger applied to its copy and says how much that was."""
    told = story.place.line.run("backup", "drill", "--json")
    assert 0 == told.code, told.err
    ended = told.json["ended"]
    assert (1, 1, 6) == (ended["erased"], ended["shifts_cancelled"], ended["accounts"])
    assert 10 == ended["codes_used_up"], "of the one who used one; it was unused in the backup"
    assert ended["sessions_ended"] > 0


def _notary(line):
    with line._as_a_process():
        return notary_of(load())
