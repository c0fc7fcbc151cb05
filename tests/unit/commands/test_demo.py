"""`demo` and `serve`: a sample provider is made once, served, and ends when it is told to."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pyotp
import pytest

from app.access.operations import operation
from app.commands.calling import present, sign_what_moved
from app.commands.opening import open_service
from app.core.settings import load
from app.identity.accounts import DeactivateAccount
from app.identity.defaults import DEFAULT_ROLES
from tests.support import postgresql
from tests.unit.commands.conftest import ROOT, Line, free_port

SIGNED_ORGANISATION_WIDE = {"registered_manager", "privacy_officer", "auditor", "it_admin"}


def _first_line(running: "subprocess.Popen[str]") -> str:
    assert running.stdout is not None
    told = running.stdout.readline()
    if not told:
        assert running.stderr is not None
        pytest.fail(running.stderr.read())
    return told


def _end(running: "subprocess.Popen[str]", by: int = signal.SIGTERM) -> int:
    running.send_signal(by)
    running.communicate(timeout=30)
    return running.returncode


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Line, dict[str, Any]]]:
    """A served sample provider, and the line of JSON it told."""
    line = Line(tmp_path_factory.mktemp("demo") / "data")
    running = line.start("demo", "--port", str(free_port()), "--json")
    yield line, json.loads(_first_line(running))
    assert 0 == _end(running)


def _sign_in(url: str, user: dict[str, Any]) -> dict[str, str]:
    otp = pyotp.TOTP(user["totp_secret"]).now()
    body = {"username": user["username"], "password": user["password"], "otp": otp}
    answer = httpx2.post(f"{url}/v1/sessions", json=body, timeout=10)
    assert 201 == answer.status_code, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def test_one_user_for_each_role(demo: tuple[Line, dict[str, Any]]) -> None:
    """There is one user for each role, at the first home unless the role is for the whole organisation."""
    _, told = demo
    users = {user["role"]: user for user in told["users"]}

    assert 15 == len(told["users"]) == len(users)
    assert DEFAULT_ROLES.keys() == users.keys()
    wide = {role for role, user in users.items() if user["home_id"] is None}
    assert SIGNED_ORGANISATION_WIDE == wide
    assert {told["homes"][0]["id"]} == {user["home_id"] for user in users.values()} - {None}


def test_told_is_what_the_contract_says(demo: tuple[Line, dict[str, Any]]) -> None:
    """The line has the members of the contract, and `demo.json` is the same."""
    line, told = demo

    assert {
        "url",
        "organisation_id",
        "homes",
        "verifier_key",
        "users",
        "other_organisation",
    } <= told.keys()
    assert {"organisation_id", "homes", "users"} <= told["other_organisation"].keys()
    assert (2, 1) == (len(told["homes"]), len(told["other_organisation"]["homes"]))
    assert {"username", "password", "totp_secret", "role", "home_id"} <= told["users"][0].keys()
    assert told == json.loads((line.data_dir / "demo.json").read_text("utf-8"))
    assert 0o600 == (line.data_dir / "demo.json").stat().st_mode & 0o777


def test_everybody_signs_in_and_sees_what_is_theirs(demo: tuple[Line, dict[str, Any]]) -> None:
    """Each user signs in with password and code, agency users on their shift; each sees their residents."""
    _, told = demo
    seen = {}
    for user in (*told["users"], *told["users_of_second_home"], *told["other_organisation"]["users"]):
        answer = httpx2.get(f"{told['url']}/v1/residents", headers=_sign_in(told["url"], user), timeout=10)
        seen[user["username"]] = len(answer.json().get("items", ())) if answer.is_success else None

    none = {f"demo.{role}": None for role in ("privacy_officer", "auditor", "it_admin")} | {
        "other.auditor": None
    }
    assert none == {name: count for name, count in seen.items() if count is None}
    assert (8, 5, 2) == tuple(
        seen[f"demo.{role}"] for role in ("registered_manager", "carer", "visiting_professional")
    )
    assert (3, 2) == (seen["demo2.carer"], seen["other.registered_manager"])


def _port(told: dict[str, Any]) -> str:
    return str(told["url"]).rpartition(":")[2]


def test_health_is_asked_by_the_command(demo: tuple[Line, dict[str, Any]]) -> None:
    """`caretrail ready` ends with 0 where the service would serve, with 1 where nobody answers."""
    line, told = demo

    assert 0 == Line(line.data_dir, {"CARETRAIL_PORT": _port(told)}).run("ready").code
    assert 1 == Line(line.data_dir, {"CARETRAIL_PORT": str(free_port())}).run("ready").code


def test_commands_work_beside_the_service(demo: tuple[Line, dict[str, Any]]) -> None:
    """An import while the service runs adds the resident once, and the whole trail stays good."""
    line, told = demo
    bundle = ROOT / "app" / "exchange" / "sample-bundle.json"
    first, second = (
        line.run("import", "fhir", bundle, "--home", told["homes"][0]["id"], "--json") for _ in range(2)
    )

    assert (0, 0) == (first.code, second.code), first.err + second.err
    assert first.json["records_created"] > 0 == second.json["records_created"]
    assert first.json["records_created"] == second.json["records_unchanged"]
    assert first.json["not_imported"] == second.json["not_imported"] != []
    time.sleep(1.5)  # the service signs what moved once a second
    verified = line.run("audit", "verify", "--json")
    assert (0, "intact") == (verified.code, verified.json["result"]), verified.out


def test_second_listener_is_refused(demo: tuple[Line, dict[str, Any]]) -> None:
    """A port that is taken is told in a sentence with what to do, and nothing else happens."""
    line, served = demo
    told = line.run("serve", "--port", _port(served))

    assert (2, "") == (told.code, told.out)
    assert told.err == (
        f"caretrail: cannot listen at 127.0.0.1 port {_port(served)}: another program does."
        " Stop it, or choose another port with --port.\n"
    )


def _deactivate(line: Line, org: str, user_id: str) -> None:
    with open_service(load(data_dir=line.data_dir)) as service:
        asked = operation("POST", "/v1/users/{user_id}/deactivate")
        present(service, org, asked, DeactivateAccount(user_id, "left us"), "a test")
        sign_what_moved(service)


def test_run_again_it_serves_what_is_there(line: Line) -> None:
    """A second run makes nobody anew, gives agency users who are active a shift, and ends by Ctrl-C."""
    running = line.start("demo", "--port", str(free_port()), "--json")
    first = json.loads(_first_line(running))
    assert 0 == _end(running)
    for user in first["users"]:
        if "shift_ends_at" in user:
            user["shift_ends_at"] = "2026-01-01T00:00:00.000000Z"  # as if they were long over
        if user["role"] == "agency_carer":
            _deactivate(line, first["organisation_id"], user["id"])
    (line.data_dir / "demo.json").write_text(json.dumps(first))
    running = line.start("demo", "--port", str(free_port()), "--json")
    second = json.loads(_first_line(running))
    code = _end(running, signal.SIGINT)

    assert 130 == code
    assert [(u["username"], u["password"]) for u in first["users"]] == [
        (u["username"], u["password"]) for u in second["users"]
    ]
    renewed = [user["role"] for user in second["users"] if user.get("shift_ends_at", "") > "2026-01-01T00:01"]
    assert ["agency_nurse", "visiting_professional"] == sorted(renewed)


def test_demo_takes_no_directory_of_another(founded: tuple[Line, dict[str, str]]) -> None:
    """A directory with a deployment that is no demo is left alone."""
    told = founded[0].run("demo")

    assert (2, "") == (told.code, told.out)
    assert "no demo" in told.err
    assert not Path(founded[0].data_dir / "demo.json").exists()


def test_a_database_without_tables_leaves_nothing_behind(
    postgresql_url: str, worker_id: str, tmp_path: Path
) -> None:
    """It says what to do; when that is done, the same command makes the provider."""
    made = postgresql.make_database(postgresql_url, f"demo_{worker_id}")
    line = Line(tmp_path / "data", {"CARETRAIL_DATABASE_URL": made.service})
    demo = ("demo", "--port", str(free_port()), "--json")

    refused = line.run(*demo)
    migrated = Line(tmp_path / "data", {"CARETRAIL_DATABASE_URL": made.owner}).run("migrate")
    running = line.start(*demo)

    assert (2, True) == (refused.code, "run `caretrail migrate`" in refused.err), refused.err
    assert 0 == migrated.code, migrated.err
    assert 15 == len(json.loads(_first_line(running))["users"])
    assert 0 == _end(running)
