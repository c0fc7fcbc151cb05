"""Erasure over HTTP: what is answered, to whom, and what is left of the resident afterwards."""

from pathlib import Path

import pytest

from app.audit.verify import verify_export
from tests.http.bodies import CANARY, admission, nhs_number, record_of
from tests.support.served import Ask, Line, Person, Served

NUMBER = nhs_number(4711)
BODY = {"legal_basis": "retention_ended", "reason": f"eight years are over, {CANARY}"}


@pytest.fixture(scope="module")
def manager(served: Served) -> Person:
    """Who may do everything in the organisation."""
    return served.world.person("registered_manager", None)


@pytest.fixture(scope="module")
def officer(served: Served) -> Person:
    """Who may erase, and sees no record."""
    return served.world.person("privacy_officer", None)


def made(served: Served, path: str, who: Person, body: object) -> dict[str, object]:
    """Send a request that must create something and return what it made."""
    answer = served.ask("POST", path, who, json=body)
    assert answer.status_code in (200, 201), answer.text
    shown: dict[str, object] = answer.json()
    return shown


def former_resident(served: Served, manager: Person, number: str | None = None) -> str:
    """Have somebody leave nine years ago and return their id."""
    body = admission(served.world.home, CANARY, number) | {"admitted_on": "2012-01-05"}
    path = f"/v1/residents/{made(served, '/v1/residents', manager, body)['id']}"
    made(served, f"{path}/records", manager, record_of("daily_note", CANARY))
    made(served, f"{path}/discharge", manager, {"discharged_on": "2017-01-02", "reason": "moved"})
    return path


def entries(lines: list[Line]) -> list[tuple[str, str]]:
    """Return act and outcome of lines."""
    return [(line.e["act"], line.e["out"]) for line in lines]


def test_two_people_erase_a_resident(served: Served, manager: Person, officer: Person) -> None:
    """One asks (201), another approves (200); each answer has its entry, and neither shows the reason."""
    path = former_resident(served, manager)
    asked = served.ask("POST", f"{path}/erasure", officer, json=BODY)
    one = f"/v1/erasures/{asked.json()['id']}/approve"
    own = served.ask("POST", one, officer)
    approved = served.ask("POST", one, manager)
    again = served.ask("POST", one, manager)

    statuses = [answer.status_code for answer in (asked, own, approved, again)]
    assert [201, 403, 200, 409] == statuses
    assert ("pending", "approved", 1) == (
        asked.json()["status"],
        approved.json()["status"],
        approved.json()["records"],
    )
    assert ("/problems/forbidden", "/problems/conflict") == (own.json()["type"], again.json()["type"])
    assert CANARY not in asked.text + approved.text
    assert [("resident.erase_request", "ok")] == entries(served.lines_of(asked))
    assert [("resident.erase", "deny"), ("resident.erase", "ok"), ("resident.erase", "fail")] == [
        entry for answer in (own, approved, again) for entry in entries(served.lines_of(answer))
    ]
    resident = path.rpartition("/")[2]
    assert {(resident,)} == {tuple(served.lines_of(a)[0].e["subs"]) for a in (asked, own, approved, again)}


def test_nobody_finds_who_was_erased(served: Served, manager: Person, officer: Person) -> None:
    """Resident and records answer 404, lists and searches show nothing, the access log goes on."""
    path = former_resident(served, manager, NUMBER)
    record = served.ask("GET", f"{path}/records", manager).json()["items"][0]["id"]
    asked = made(served, f"{path}/erasure", officer, BODY)
    made(served, f"/v1/erasures/{asked['id']}/approve", manager, None)

    reads = ("", "/records", f"/records/{record}", f"/records/{record}/versions")
    read = served.ask_all(Ask("GET", path + end, manager) for end in reads)
    erased_again = served.ask("POST", f"{path}/erasure", manager, json=BODY)
    listed = served.ask("GET", "/v1/residents", manager, params={"limit": "200"})
    found = served.ask("POST", "/v1/residents/search", manager, json={"nhs_number": NUMBER})
    log = served.ask("GET", f"{path}/access-log", officer)

    assert [404] * 5 == [answer.status_code for answer in (*read, erased_again)]
    assert path.rpartition("/")[2] not in listed.text
    assert [] == found.json()["items"]
    acts = ["resident.erase_request", "resident.erase", "resident.erase_request"]  # the last was refused
    assert acts == [item["act"] for item in log.json()["items"] if "erase" in item["act"]]
    assert (
        201
        == served.ask(
            "POST", "/v1/residents", manager, json=admission(served.world.home, "New", NUMBER)
        ).status_code
    )


def test_what_must_be_kept_answers_409(served: Served, manager: Person, officer: Person) -> None:
    """`retention-hold` while somebody lives here; an order of a court goes through."""
    home = served.world.home
    path = f"/v1/residents/{made(served, '/v1/residents', manager, admission(home, CANARY))['id']}/erasure"

    kept = served.ask("POST", path, officer, json=BODY)
    ordered = served.ask("POST", path, officer, json=BODY | {"legal_basis": "court_order"})

    assert (409, "/problems/retention-hold") == (kept.status_code, kept.json()["type"])
    assert [("resident.erase_request", "fail")] == entries(served.lines_of(kept))
    assert 201 == ordered.status_code


@pytest.mark.parametrize("body", [{}, BODY | {"legal_basis": "tidying"}, BODY | {"more": 1}, {"reason": "x"}])
def test_bodies_are_read_strictly(served: Served, manager: Person, body: object) -> None:
    """A basis that is none, or a field that is not documented, is 422."""
    path = former_resident(served, manager)

    assert 422 == served.ask("POST", f"{path}/erasure", manager, json=body).status_code


def test_who_was_entered_in_error_takes_a_word(served: Served, manager: Person, officer: Person) -> None:
    """A deleted resident is 404 here as everywhere, but for `?include=entered-in-error`."""
    path = former_resident(served, manager)
    removal = {"If-Match": '"2"', "Audit-Reason": "entered%20twice"}
    assert 204 == served.ask("DELETE", path, manager, headers=removal).status_code
    body = BODY | {"legal_basis": "never_our_record"}

    plain = served.ask("POST", f"{path}/erasure", officer, json=body)
    meant = served.ask("POST", f"{path}/erasure", officer, json=body, params={"include": "entered-in-error"})

    assert [404, 201] == [plain.status_code, meant.status_code]


def test_a_code_is_wanted_after_five_minutes(served: Served, manager: Person, officer: Person) -> None:
    """403 `step-up-required` with an older second factor; with a fresh code it is done."""
    path = former_resident(served, manager)
    asked = made(served, f"{path}/erasure", officer, BODY)
    served.world.pass_time(minutes=6)
    one = f"/v1/erasures/{asked['id']}/approve"

    refused = served.ask("POST", one, manager)
    code = {"otp": served.world.otp(manager)}
    assert 200 == served.ask("POST", "/v1/sessions/current/step-up", manager, json=code).status_code

    assert (403, "/problems/step-up-required") == (refused.status_code, refused.json()["type"])
    assert 200 == served.ask("POST", one, manager).status_code


def test_an_export_lists_erasures_with_both_people(served: Served, tmp_path: Path) -> None:
    """Whoever checks an export offline reads who was erased, under which entry and by whom; it is intact."""
    manager, officer = (served.world.person(role, None) for role in ("registered_manager", "privacy_officer"))
    path = former_resident(served, manager)
    asked = made(served, f"{path}/erasure", officer, BODY)
    approved = served.ask("POST", f"/v1/erasures/{asked['id']}/approve", manager)
    served.world.pass_time(seconds=1)
    out = tmp_path / "trail.zip"
    out.write_bytes(served.ask("GET", "/v1/audit/export", manager, params={"format": "zip"}).content)

    report = verify_export(out, served.desk.notary.vkeys(served.world.org))

    [line] = served.lines_of(approved)
    told = f"resident {path.rpartition('/')[2]} was erased under entry #{line.seq} (retention_ended)"
    assert f"{told}: {officer.id} asked, {manager.id} approved" in report.checked
    assert (0, []) == (report.exit_code, report.findings), report.as_text()
