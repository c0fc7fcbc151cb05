"""What is added to the contract about versions and access logs, over the wire."""

import csv
import io
import zipfile

import pytest

from app.core.clock import spell
from tests.http.bodies import admission, record_of
from tests.support.served import Person, Served


@pytest.fixture(scope="module")
def nurse(served: Served) -> Person:
    """Somebody who may amend a care plan."""
    return served.world.person("nurse")


@pytest.fixture(scope="module")
def plan(served: Served, nurse: Person) -> str:
    """The path of a care plan in two versions."""
    manager = served.world.person("registered_manager", None)
    resident = served.ask(
        "POST", "/v1/residents", manager, json=admission(served.world.home, "Compared")
    ).json()["id"]
    body = {"need": "walks less", "goal": "walk daily", "actions": ["wash", "walk"]}
    made = record_of("care_plan", "x") | {"body": body}
    path = f"/v1/residents/{resident}/records"
    path += "/" + served.ask("POST", path, nurse, json=made).json()["id"]
    amended = {
        "occurred_at": spell(served.world.now),
        "body": body | {"goal": "walk to the gate", "actions": ["walk", "rest"]},
        "amendment_reason": "review",
    }
    assert 200 == served.ask("PUT", path, nurse, json=amended, headers={"If-Match": '"1"'}).status_code
    return path


def test_the_difference_of_two_versions(served: Served, plan: str, nurse: Person) -> None:
    """`?compare=` answers beside the version what changed; without it the answer is as before."""
    plain = served.ask("GET", f"{plan}/versions/2", nurse).json()
    answer = served.ask("GET", f"{plan}/versions/2", nurse, params={"compare": "1"})
    told = answer.json()
    changed = {one["field"]: one for one in told["changed"]}

    assert (200, '"2"') == (answer.status_code, answer.headers["ETag"])
    assert plain == {name: value for name, value in told.items() if name in plain}
    assert {"compared_with", "changed", "entries"} == told.keys() - plain.keys()
    assert ("walk daily", "walk to the gate") == (changed["goal"]["before"], changed["goal"]["after"])
    assert (["rest"], ["wash"]) == (changed["actions"]["added"], changed["actions"]["removed"])
    assert [1, 2] == [entry["version"] for entry in told["entries"]]


@pytest.mark.parametrize("given", ["0", "-1", "x", "1.0", "99999999999", ""])
def test_what_it_is_compared_with_is_a_version(served: Served, plan: str, nurse: Person, given: str) -> None:
    """Anything but a number from 1 on is 422; a version that is not there is 404."""
    answer = served.ask("GET", f"{plan}/versions/2", nurse, params={"compare": given})

    assert 422 == answer.status_code
    assert 404 == served.ask("GET", f"{plan}/versions/2", nurse, params={"compare": "3"}).status_code


def test_whoever_may_not_read_it_sees_nothing(served: Served, plan: str) -> None:
    """The auditor, who reads the trail, is refused; a carer of another home finds nothing."""
    auditor, other = (
        served.world.person("auditor", None),
        served.world.person("carer", served.world.other_home),
    )
    answers = [
        served.ask("GET", f"{plan}/versions/2", who, params={"compare": "1"}) for who in (auditor, other)
    ]

    assert [403, 404] == [answer.status_code for answer in answers]
    assert not any("walk" in answer.text for answer in answers)


def test_what_changed_in_a_residents_own_row(served: Served, plan: str) -> None:
    """`?changes_since=` answers beside the resident what changed; identifiers not to the kitchen."""
    manager, kitchen = served.world.person("registered_manager"), served.world.person("kitchen")
    path = "/v1/residents/" + plan.split("/")[3]
    patch = {"room": "21", "identifiers": {"date_of_birth": "1938-01-01"}}
    plain = served.ask("GET", path, manager).json()
    amended = served.ask("PATCH", path, manager, json=patch, headers={"If-Match": f'"{plain["version"]}"'})
    assert 200 == amended.status_code
    fields = []
    for who in (manager, kitchen):
        told = served.ask("GET", path, who, params={"changes_since": str(plain["version"])}).json()
        [change] = told["changes"]
        assert plain["version"] + 1 == change["version"] == told["version"]
        fields.append({one["field"]: (one["before"], one["after"]) for one in change["changed"]})

    assert "changes" not in plain
    assert {"room": (plain["room"], "21")} == fields[1]
    assert {"room", "date_of_birth"} == fields[0].keys()


@pytest.mark.parametrize(("given", "status"), [("-1", 422), ("x", 422), ("", 422), ("99", 404)])
def test_changes_are_told_since_a_version(served: Served, plan: str, given: str, status: int) -> None:
    """Anything but a number is 422; a version that is not there is 404."""
    manager = served.world.person("registered_manager")
    path = "/v1/residents/" + plan.split("/")[3]

    assert status == served.ask("GET", path, manager, params={"changes_since": given}).status_code


def test_an_access_log_for_the_family(served: Served, plan: str) -> None:
    """`?audience=family` with a resident is their access log in plain words, as a zip."""
    auditor, resident = served.world.person("auditor", None), plan.split("/")[3]
    asked = {"audience": "family", "resident_id": resident}
    answer = served.ask("GET", "/v1/audit/export", auditor, params=asked)

    assert (200, "application/zip") == (answer.status_code, answer.headers["Content-Type"])
    assert f'attachment; filename="access-log-{resident}.zip"' == answer.headers["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read("access-log.csv").decode())))
    told = [row["what"] for row in rows]
    assert "entered the person" == told[0]
    assert "changed a record; the earlier version is kept" in told


@pytest.mark.parametrize(
    "asked",
    [
        {"audience": "family"},
        {"audience": "friends", "resident_id": "R"},
        {"audience": "family", "resident_id": "R", "format": "csv"},
        {"audience": "family", "resident_id": "R", "act": "record.read"},
    ],
)
def test_a_log_for_the_family_is_one_residents_zip(served: Served, plan: str, asked: dict[str, str]) -> None:
    """Without a resident, in another format or with a further filter: 422."""
    auditor = served.world.person("auditor", None)
    params = {name: plan.split("/")[3] if value == "R" else value for name, value in asked.items()}

    assert 422 == served.ask("GET", "/v1/audit/export", auditor, params=params).status_code
