"""The course of an incident over HTTP: scored, told, acted upon, closed, opened again, found in lists."""

import pytest

from tests.support.reporting import INCIDENTS, SCORED, path_of, recorded, said
from tests.support.served import Person, Served

UNKNOWN = "01890000-0000-7000-8000-000000000001"
MANAGEMENT, ICO = {"recipient": "senior_management"}, {"recipient": "ico"}


@pytest.fixture
def manager(served: Served) -> Person:
    """Who manages incidents of the whole organisation."""
    return served.world.person("registered_manager", None)


def passes(served: Served, who: Person, hours: float) -> str:
    """Let hours pass, have somebody sign in again, and return the instant that is now."""
    served.world.pass_time(hours=hours)
    served.world.sign_in(who)
    return served.world.later()


def test_the_system_proposes_and_a_person_decides(served: Served, manager: Person) -> None:
    """A scoring shows what was proposed; another decision is marked; every scoring stays with its reasons."""
    path = path_of(recorded(served, manager, served.world.home))
    where = f"{path}/assessments"
    first = said(served, "POST", where, manager, SCORED)
    agreed = said(served, "POST", where, manager, SCORED | {"decision": "ico", "reasons": "as proposed"})
    other = said(served, "POST", where, manager, SCORED | {"impact": 4, "decision": "none", "reasons": "odd"})

    shown = [(one["proposal"], one["decision"], one["deviates"]) for one in (first, agreed, other)]
    assert [("ico", None, False), ("ico", "ico", False), ("ico_and_dhsc", "none", True)] == shown
    whole = said(served, "GET", path, manager)
    assert [first, agreed, other] == whole["assessments"]
    assert ["care plans were in it", "as proposed", "odd"] == [o["reasons"] for o in whole["assessments"]]
    assert ("none", "not_needed") == (whole["decision"], whole["clocks"]["72h"]["state"])
    assert {"likelihood": 3, "impact": 2} == first["counted"]


@pytest.mark.parametrize("without", ["reasons", "likelihood", "impact", "vulnerable_people"])
def test_a_scoring_says_everything(without: str, served: Served, manager: Person) -> None:
    """Reasons are wanted also where somebody agrees, and so is each score; scores end at 5."""
    path = f"{path_of(recorded(served, manager, served.world.home))}/assessments"
    bare = {name: value for name, value in SCORED.items() if name != without} | {"decision": "ico"}

    statuses = [
        served.ask("POST", path, manager, json=body).status_code for body in (bare, {"likelihood": 6})
    ]
    assert [422, 422] == statuses


def test_a_near_miss_is_not_scored(served: Served, manager: Person) -> None:
    """409 until its nature is changed: nobody outside has to be told of what did not happen."""
    path = path_of(recorded(served, manager, served.world.home, nature="near_miss"))
    refused = served.ask("POST", f"{path}/assessments", manager, json=SCORED)
    changed = said(served, "PATCH", path, manager, {"nature": "incident"})

    assert (409, "running") == (refused.status_code, changed["clocks"]["72h"]["state"])
    assert 201 == served.ask("POST", f"{path}/assessments", manager, json=SCORED).status_code


def test_telling_late_needs_reasons(served: Served, manager: Person) -> None:
    """Within 72 hours no reasons are asked for, after them they are; how late it was is shown."""
    at = served.world.later()
    paths = [path_of(recorded(served, manager, served.world.home, became_aware_at=at)) for _ in range(2)]
    due = passes(served, manager, 72)
    in_time = said(served, "POST", f"{paths[0]}/notifications", manager, ICO | {"told_at": due})
    late = passes(served, manager, 2.5)
    bare = served.ask("POST", f"{paths[1]}/notifications", manager, json=ICO | {"told_at": late})
    why = {"reasons_for_delay": "the office was flooded", "reference": "ICO-1", "told_by": "the manager"}
    given = said(served, "POST", f"{paths[1]}/notifications", manager, ICO | why | {"told_at": late})

    assert (False, 0) == (in_time["late"], in_time["late_seconds"])
    assert (422, "/reasons_for_delay") == (bare.status_code, bare.json()["errors"][0]["pointer"])
    assert (True, 9000) == (given["late"], given["late_seconds"])
    assert why == {name: given[name] for name in why}
    clock = said(served, "GET", paths[1], manager)["clocks"]["72h"]
    assert ("told_late", 9000, None) == (clock["state"], clock["late_seconds"], clock["seconds_left"])


@pytest.mark.parametrize("recipient", ["ico", "dspt"])
def test_further_information_is_not_late(recipient: str, served: Served, manager: Person) -> None:
    """Who told the ICO in time is asked for no reasons in the next phase; without the first they are."""
    at = served.world.later()
    paths = [path_of(recorded(served, manager, served.world.home, became_aware_at=at)) for _ in range(2)]
    now = passes(served, manager, 20)
    first = said(served, "POST", f"{paths[0]}/notifications", manager, ICO | {"told_at": now})
    later = {"recipient": recipient, "told_at": passes(served, manager, 60)}
    further = said(served, "POST", f"{paths[0]}/notifications", manager, later)
    bare = served.ask("POST", f"{paths[1]}/notifications", manager, json=later)
    instead = later | {"replaces": first["id"]}
    replaced = served.ask("POST", f"{paths[0]}/notifications", manager, json=instead)

    assert (None, None, None) == tuple(further[n] for n in ("late", "late_seconds", "reasons_for_delay"))
    assert [422, 422] == [answer.status_code for answer in (bare, replaced)]
    clock = said(served, "GET", paths[0], manager)["clocks"]["72h"]
    assert ("told", now) == (clock["state"], clock["told_at"])


def test_nobody_is_told_before_there_is_anything_to_tell(served: Served, manager: Person) -> None:
    """A clock is not stopped by an instant before all that is known of the incident."""
    early, before = served.world.later(hours=-9), served.world.later(hours=-2)
    path = path_of(recorded(served, manager, served.world.home))
    told = f"{path}/notifications"
    refused = served.ask("POST", told, manager, json=ICO | {"told_at": before})
    said(served, "PATCH", path, manager, {"became_aware_at": early})
    known = said(served, "POST", told, manager, ICO | {"told_at": before})

    assert (422, "/told_at") == (refused.status_code, refused.json()["errors"][0]["pointer"])
    assert "say first when it occurred" in refused.json()["errors"][0]["detail"]
    assert not known["late"]


def test_what_a_notification_must_say(served: Served, manager: Person) -> None:
    """Not in the future, not before it occurred, and of people affected how many were told."""
    at = served.world.later(hours=-1)
    path = f"{path_of(recorded(served, manager, served.world.home, occurred_at=at))}/notifications"
    wrong = [
        ({"recipient": "cqc", "told_at": served.world.later(seconds=1)}, "/told_at"),
        ({"recipient": "cqc", "told_at": served.world.later(hours=-2)}, "/told_at"),
        ({"recipient": "people_affected", "told_at": at}, "/people_told"),
        ({"recipient": "the_press", "told_at": at}, "/recipient"),
    ]
    for body, pointer in wrong:
        answer = served.ask("POST", path, manager, json=body)
        assert (422, pointer) == (answer.status_code, answer.json()["errors"][0]["pointer"])
    told = {"recipient": "people_affected", "told_at": at, "people_told": 12}
    assert (12, None) == tuple(said(served, "POST", path, manager, told)[n] for n in ("people_told", "late"))


def test_a_wrong_notification_is_replaced_and_stays(served: Served, manager: Person) -> None:
    """One that was recorded wrongly is replaced once; if nobody was told after all, the clock runs again."""
    now = served.world.later()
    path = path_of(recorded(served, manager, served.world.home, became_aware_at=served.world.later(hours=-9)))
    wrong = said(served, "POST", f"{path}/notifications", manager, ICO | {"told_at": now})
    right = ICO | {"told_at": served.world.later(hours=-1), "replaces": wrong["id"]}
    put_right = said(served, "POST", f"{path}/notifications", manager, right)
    again = served.ask("POST", f"{path}/notifications", manager, json=right)

    whole = said(served, "GET", path, manager)
    assert [put_right["id"], None] == [one["replaced_by"] for one in whole["notifications"]]
    assert right["told_at"] == whole["clocks"]["72h"]["told_at"]
    assert 409 == again.status_code
    nobody = {
        "recipient": "other",
        "told_at": now,
        "note": "it went to the council",
        "replaces": put_right["id"],
    }
    said(served, "POST", f"{path}/notifications", manager, nobody)
    clock = said(served, "GET", path, manager)["clocks"]["72h"]
    assert ("running", None) == (clock["state"], clock["told_at"])


def test_nothing_is_closed_unfinished(served: Served, manager: Person) -> None:
    """409 names all that is missing in words; when nothing is it is closed, and opened again for a reason."""
    path = path_of(recorded(served, manager, served.world.home))
    close = f"{path}/close"
    told = [served.ask("POST", close, manager, json={})]
    said(served, "POST", f"{path}/assessments", manager, SCORED)
    told.append(served.ask("POST", close, manager, json={"root_cause": "two lists with one name"}))
    said(served, "POST", f"{path}/assessments", manager, SCORED | {"decision": "ico"})
    now = {"told_at": served.world.later()}
    said(served, "POST", f"{path}/notifications", manager, MANAGEMENT | now)
    told.append(served.ask("POST", close, manager, json={"root_cause": "two lists with one name"}))
    said(served, "POST", f"{path}/notifications", manager, ICO | now)
    shown = said(served, "GET", path, manager)["missing_to_close"]
    closed = said(served, "POST", close, manager, {"root_cause": "two lists", "lessons": "one name each"})

    assert [409] * 3 == [answer.status_code for answer in told]
    management, ico = "word that senior management was told", "word that the ICO was told, as was decided"
    wanted = [
        ("an assessment on the grid", "a decision whom to tell", management, "the root cause"),
        ("a decision whom to tell", management),
        (ico,),
    ]
    said_missing = [f"It cannot be closed yet. Missing: {'; '.join(words)}." for words in wanted]
    assert said_missing == [answer.json()["detail"] for answer in told]
    assert ["the root cause"] == shown
    assert ("closed", manager.id, []) == tuple(closed[n] for n in ("status", "closed_by", "missing_to_close"))
    assert "two lists" == closed["root_cause"]
    refused = [("PATCH", "", {"lessons": "x"}), ("POST", "/assessments", SCORED), ("POST", "/close", {})]
    assert [409] * 3 == [
        served.ask(m, path + end, manager, json=body).status_code for m, end, body in refused
    ]
    assert 422 == served.ask("POST", f"{path}/reopen", manager, json={}).status_code
    opened = said(served, "POST", f"{path}/reopen", manager, {"reason": "somebody else has the list"})
    assert ("open", None) == (opened["status"], opened["closed_at"])
    turns = [(turn["what"], turn["reason"]) for turn in opened["history"]]
    assert [("closed", None), ("reopened", "somebody else has the list")] == turns
    assert 409 == served.ask("POST", f"{path}/reopen", manager, json={"reason": "x"}).status_code


def test_a_correction_that_makes_it_late_asks_for_reasons(served: Served, manager: Person) -> None:
    """An instant moved back so that the ICO was told late: the reasons are missing then."""
    now = served.world.later()
    path = path_of(recorded(served, manager, served.world.home, became_aware_at=now))
    said(served, "POST", f"{path}/notifications", manager, ICO | {"told_at": now})
    earlier = {"became_aware_at": served.world.later(hours=-80), "reason": "the night shift knew"}
    moved = said(served, "PATCH", path, manager, earlier)

    assert "the reasons for the delay in telling the ICO" in moved["missing_to_close"]
    assert [(True, 8 * 3600)] == [(one["late"], one["late_seconds"]) for one in moved["notifications"]]


def test_actions_have_an_owner_and_a_day(served: Served, manager: Person) -> None:
    """What is to be done is overdue when its day is over, and done once, after the end too."""
    path = path_of(recorded(served, manager, served.world.home))
    day = served.world.later(hours=-48)[:10]
    planned = {"what": "train the night shift", "owner_id": manager.id, "due_on": day}
    action = said(served, "POST", f"{path}/actions", manager, planned)
    done = f"{path}/actions/{action['id']}/done"
    finished = said(served, "POST", done, manager, {"outcome": "all came"})

    assert (True, None) == (action["overdue"], action["done_at"])
    assert (False, "all came", manager.id) == tuple(finished[n] for n in ("overdue", "outcome", "done_by"))
    nobody = served.ask("POST", f"{path}/actions", manager, json={"what": "x", "owner_id": UNKNOWN})
    again, other = (
        served.ask("POST", where, manager, json={}) for where in (done, f"{path}/actions/{UNKNOWN}/done")
    )
    assert [422, 409, 404] == [answer.status_code for answer in (nobody, again, other)]


def test_repeats_are_of_the_same_kind_and_home_in_three_months(served: Served, manager: Person) -> None:
    """An incident shows those of its kind at its home within three calendar months before it occurred."""
    world, home = served.world, served.world.home
    passes(served, manager, 24 * 120)  # what other tests recorded is out of reach

    def at(days: float, **more: object) -> str:
        told = {"kind": "malware", "occurred_at": world.later(hours=-24 * days)} | more
        return str(recorded(served, manager, str(told.pop("home", home)), **told)["id"])

    near, far = at(60), at(100)
    at(60, kind="loss_or_theft")
    at(60, home=world.other_home)
    shown = recorded(served, manager, home, kind="malware", occurred_at=world.later())

    assert [near] == [one["id"] for one in shown["repeats"]]
    assert far not in str(shown["repeats"])


def test_lists_are_filtered_and_paged(served: Served, manager: Person) -> None:
    """By state, kind, home, time and overdue; newest first, page by page without a gap."""
    world = served.world
    start = passes(served, manager, 24 * 40)
    made = [recorded(served, manager, world.home, kind="malware")["id"] for _ in range(3)]
    missed = recorded(served, manager, world.other_home, kind="other", nature="near_miss")["id"]

    def listed(query: str) -> list[str]:
        shown = said(served, "GET", f"{INCIDENTS}?from={start}&{query}", manager)
        return [one["id"] for one in shown["items"]]

    assert [missed, *reversed(made)] == listed("")
    assert list(reversed(made)) == listed("kind=malware") == listed(f"home_id={world.home}")
    assert ([], 4) == (listed("state=closed"), len(listed("state=open")))
    assert [] == listed(f"to={start}")
    assert ([], 4) == (listed("overdue=true"), len(listed("overdue=false")))
    passes(served, manager, 13)
    for one in made:
        told = MANAGEMENT | {"told_at": start}
        said(served, "POST", f"{INCIDENTS}/{one}/notifications", manager, told)
    assert ([missed], 3) == (listed("overdue=true"), len(listed("overdue=false")))
    passes(served, manager, 60)
    assert 4 == len(listed("overdue=true"))
    first = said(served, "GET", f"{INCIDENTS}?from={start}&limit=3", manager)
    rest = said(served, "GET", f"{INCIDENTS}?from={start}&limit=3&cursor={first['next_cursor']}", manager)
    paged = [one["id"] for one in (*first["items"], *rest["items"])]
    assert ([missed, *reversed(made)], None) == (paged, rest["next_cursor"])
    senseless = ("overdue=1", "state=new", "from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z")
    assert [422] * 3 == [served.ask("GET", f"{INCIDENTS}?{q}", manager).status_code for q in senseless]
