"""Sessions and accounts, as the contract words them: how they begin, sleep, wake and end."""

from typing import Any

import httpx2
import pyotp
import pytest

from tests.support.served import Ask, Person, Served
from tests.support.world import PASSWORD

CURRENT = "/v1/sessions/current"
ME = "/v1/users/me"
HOMES = "/v1/homes"
NEW_PASSWORD = "seven lanterns over a slow canal"
BACKGROUND = {"Caretrail-Background": "1"}
IDLE_S = {"desktop": 600, "mobile": 300, "shared_tablet": 120}


@pytest.fixture
def manager(served: Served) -> Person:
    """Somebody who may do everything in the organisation."""
    return served.world.person("registered_manager", None)


@pytest.fixture
def carer(served: Served) -> Person:
    """A carer with a session of this moment."""
    return served.world.person("carer")


def told(answer: httpx2.Response) -> tuple[int, str]:
    """Return status and slug of an answer; of one that is no problem, nothing."""
    slug = answer.json().get("type", "") if answer.content else ""
    return answer.status_code, slug.removeprefix("/problems/")


def entry(served: Served, answer: httpx2.Response) -> dict[str, Any]:
    """Return the one entry of a request."""
    (line,) = served.lines_of(answer)
    return line.e


# --- signing in ---------------------------------------------------------------------------------------


def test_signing_in_tells_session_and_user(served: Served, carer: Person) -> None:
    """A sign-in answers with token, session and user in the shape of the contract."""
    answer = served.sign_in(carer, device={"id": "tablet-7", "kind": "shared_tablet"})

    body = answer.json()
    assert (201, "Bearer") == (answer.status_code, body["token_type"])
    assert {"id", "started_at", "idle_timeout_s", "ends_at", "ends_because"} <= body["session"].keys()
    assert (120, "lifetime", served.world.later(hours=12)) == (
        body["session"]["idle_timeout_s"],
        body["session"]["ends_because"],
        body["session"]["ends_at"],
    )
    assert {
        "id": carer.id,
        "username": carer.username,
        "display_name": carer.display_name,
        "kind": "staff",
        "assignments": [{"role": "carer", "home_id": served.world.home}],
    } == body["user"]
    assert (False, True) == (body["password_change_required"], body["second_factor_enrolled"])
    assert served.ask("GET", ME, body["access_token"]).status_code == 200


def test_case_and_spaces_of_a_user_name_do_not_count(served: Served, carer: Person) -> None:
    """A user signs in with their name in any case, with spaces around it."""
    body = {"username": f"  {carer.username.upper()} ", "password": PASSWORD, "otp": served.world.otp(carer)}

    assert served.ask("POST", "/v1/sessions", json=body).status_code == 201


def test_a_code_works_once(served: Served, carer: Person) -> None:
    """The same one-time code opens no second session; a missing or wrong one neither."""
    code = served.world.otp(carer)
    answers = [served.sign_in(carer, otp=given) for given in (code, code, None, "000000", "")]

    assert [(201, "")] + [(401, "otp-required")] * 4 == [told(answer) for answer in answers]


def test_the_first_sign_in_leads_to_a_full_session(served: Served, manager: Person) -> None:
    """Initial password, own password, authenticator: each step opens more of the very same session."""
    body = {
        "username": f"new.{manager.id[-6:]}",
        "display_name": "New Carer",
        "kind": "staff",
        "assignments": [{"role": "carer", "home_id": served.world.home}],
    }
    made = served.ask("POST", "/v1/users", manager, json=body).json()
    first = {"username": body["username"], "password": made["initial_password"]}
    signed_in = served.ask("POST", "/v1/sessions", json=first)
    token = signed_in.json()["access_token"]

    assert (True, False) == tuple(
        signed_in.json()[name] for name in ("password_change_required", "second_factor_enrolled")
    )
    assert (403, "password-change-required") == told(served.ask("GET", HOMES, token))
    assert [200, 200] == [served.ask("GET", path, token).status_code for path in (ME, CURRENT)]
    change = {"current_password": made["initial_password"], "new_password": NEW_PASSWORD}
    assert served.ask("PUT", f"{ME}/password", token, json=change).status_code == 204
    assert (403, "second-factor-required") == told(served.ask("GET", HOMES, token))
    offered = served.ask("POST", f"{ME}/totp", token).json()
    assert offered["otpauth_uri"].startswith("otpauth://totp/")
    otp = {"otp": pyotp.TOTP(offered["secret"]).at(served.world.now)}
    codes = served.ask("POST", f"{ME}/totp/confirm", token, json=otp).json()["recovery_codes"]
    assert served.ask("GET", HOMES, token).status_code == 200

    recovering = [
        served.ask(
            "POST",
            "/v1/sessions",
            json={"username": body["username"], "password": NEW_PASSWORD, "recovery_code": code},
        )
        for code in (codes[0], codes[0], codes[1])
    ]
    assert [(201, ""), (401, "otp-required"), (201, "")] == [told(answer) for answer in recovering]


def test_a_session_outlives_a_restart(served: Served, carer: Person) -> None:
    """A token goes on working after the service was restarted, and the entry names the same session."""
    before = entry(served, served.ask("GET", ME, carer))

    served.restart()

    assert before["sess"] == entry(served, served.ask("GET", ME, carer))["sess"]


@pytest.mark.parametrize(
    ("given", "taken"),
    [("abc.DEF_9-", True), ("a" * 64, True), ("a" * 65, False), ("a b", False), ("a/b", False), ("", False)],
)
def test_a_request_id_is_taken_over_or_made(served: Served, carer: Person, given: str, taken: bool) -> None:
    """A well-formed `X-Request-ID` is echoed and recorded; in place of any other one is made."""
    served.world.pass_time(seconds=1)
    rid = f"{given[:-2]}{served.world.now.second:02}" if taken else given

    answer = served.ask("GET", ME, carer, headers={"X-Request-ID": rid})

    assert (rid == answer.headers["X-Request-ID"]) == taken
    assert [answer.headers["X-Request-ID"]] == [line.e["src"]["rid"] for line in served.lines_of(answer)]


# --- sleeping and waking --------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [0.024, 0.051, 0.5])
@pytest.mark.parametrize("kind", IDLE_S)
def test_idle_is_exact_to_five_hundredths(served: Served, kind: str, after: float) -> None:
    """95 % of the timeout after the last activity a session is awake, after all of it it sleeps."""
    world, idle = served.world, IDLE_S[kind]
    person = world.person("carer", signed_in=False)
    world.sign_in(person, device=world.device(kind))
    # the last activity: also one so soon after the one before that it is not written down
    world.pass_time(seconds=idle * after)
    assert served.ask("GET", ME, person).status_code == 200

    world.pass_time(seconds=idle * 0.95)
    awake = served.ask("GET", ME, person, headers=BACKGROUND)
    world.pass_time(seconds=idle * 0.05)
    asleep = served.ask("GET", ME, person)

    assert [(200, ""), (401, "session-idle")] == [told(awake), told(asleep)]
    assert ("user.read", "deny") == (entry(served, asleep)["act"], entry(served, asleep)["out"])


@pytest.mark.parametrize(
    ("path", "headers"),
    [(ME, BACKGROUND), ("/v1/users", {}), ("/v1/users/x", {}), ("/v1/nothing", {}), (f"{ME}?x=1", {})],
)
def test_what_is_no_activity_keeps_nobody_awake(
    served: Served, carer: Person, path: str, headers: dict[str, str]
) -> None:
    """Neither a background call nor a refused or wrong one moves the moment a session falls asleep."""
    for _ in range(9):
        served.world.pass_time(minutes=1)
        served.ask("GET", path, carer, headers=headers)
    served.world.pass_time(minutes=1)

    assert (401, "session-idle") == told(served.ask("GET", ME, carer))


def test_a_locked_session_answers_to_unlocking_and_signing_out_only(served: Served, carer: Person) -> None:
    """Everything else is 401 `session-locked` until the same user gives the password; nobody else's does."""
    other = served.world.person("nurse")
    assert served.ask("POST", f"{CURRENT}/lock", carer).status_code == 204
    refused = served.ask_all(
        [Ask("GET", path, carer) for path in (ME, CURRENT, HOMES, "/v1/residents", "/v1/nothing")]
        + [Ask("POST", f"{CURRENT}/lock", carer), Ask("POST", f"{CURRENT}/step-up", carer, {"otp": "1"})]
    )
    wrong = served.ask("POST", f"{CURRENT}/unlock", carer, json={"password": "not this one at all"})
    right = served.ask("POST", f"{CURRENT}/unlock", carer, json={"password": PASSWORD})

    assert {(401, "session-locked")} == {told(answer) for answer in refused}
    assert [(401, "credentials-refused"), (200, "")] == [told(wrong), told(right)]
    assert [200, 200] == [served.ask("GET", ME, person).status_code for person in (carer, other)]
    served.ask("POST", f"{CURRENT}/lock", carer)
    assert served.ask("DELETE", CURRENT, carer).status_code == 204
    assert (401, "session-ended") == told(served.ask("GET", ME, carer))


def test_after_half_an_hour_unlocking_wants_a_code(served: Served, carer: Person) -> None:
    """A session that slept for more than 30 minutes takes a one-time code as well."""
    served.ask("POST", f"{CURRENT}/lock", carer)
    served.world.pass_time(minutes=30, seconds=1)
    unlock: dict[str, str] = {"password": PASSWORD}

    without = served.ask("POST", f"{CURRENT}/unlock", carer, json=unlock)
    code = unlock | {"otp": served.world.otp(carer)}
    with_code = served.ask("POST", f"{CURRENT}/unlock", carer, json=code)

    assert [(401, "otp-required"), (200, "")] == [told(without), told(with_code)]


def test_five_wrong_passwords_end_a_session(served: Served, carer: Person) -> None:
    """The fifth wrong password at unlocking ends the session; the right one then opens nothing."""
    served.ask("POST", f"{CURRENT}/lock", carer)
    wrong = [
        told(served.ask("POST", f"{CURRENT}/unlock", carer, json={"password": "not this one at all"}))
        for _ in range(5)
    ]

    right = served.ask("POST", f"{CURRENT}/unlock", carer, json={"password": PASSWORD})

    assert [(401, "credentials-refused")] * 5 == wrong
    assert (401, "session-ended") == told(right)


def test_step_up_makes_the_factor_fresh(served: Served, carer: Person) -> None:
    """What wants a second factor of the last five minutes is refused after them, and let through again."""
    served.world.pass_time(minutes=5, seconds=1)
    stale = served.ask("POST", f"{ME}/totp", carer)
    code = {"otp": served.world.otp(carer)}

    confirmed = [served.ask("POST", f"{CURRENT}/step-up", carer, json=code) for _ in range(2)]
    fresh = served.ask("POST", f"{ME}/totp", carer)

    assert (403, "step-up-required") == told(stale)
    assert 200 == fresh.status_code
    assert [(200, ""), (401, "otp-required")] == [told(answer) for answer in confirmed]


# --- ending -------------------------------------------------------------------------------------------


def test_a_deactivated_user_is_out_at_once(served: Served, manager: Person, carer: Person) -> None:
    """Deactivation ends every session with the next request; reactivation brings back none of them."""
    served.world.pass_time(seconds=60)
    second = served.sign_in(carer).json()["access_token"]
    path = f"/v1/users/{carer.id}"

    assert served.ask("POST", f"{path}/deactivate", manager, json={"reason": "left"}).status_code == 200
    assert {(401, "session-ended")} == {told(served.ask("GET", ME, who)) for who in (carer, second)}
    assert (401, "credentials-refused") == told(served.sign_in(carer))
    assert served.ask("POST", f"{path}/reactivate", manager, json={"reason": "is back"}).status_code == 200
    assert {(401, "session-ended")} == {told(served.ask("GET", ME, who)) for who in (carer, second)}
    served.world.pass_time(seconds=60)
    assert served.sign_in(carer).status_code == 201


def test_a_new_password_ends_the_other_sessions(served: Served, carer: Person) -> None:
    """Changing one's password keeps the session it was changed in and ends all others."""
    served.world.pass_time(seconds=60)
    other = served.sign_in(carer).json()["access_token"]
    changes = [
        {"current_password": current, "new_password": new}
        for current, new in (
            ("not this one at all", NEW_PASSWORD),
            (PASSWORD, "short"),
            (PASSWORD, f"{carer.username} and more"),
            (PASSWORD, NEW_PASSWORD),
        )
    ]

    answers = [served.ask("PUT", f"{ME}/password", carer, json=change) for change in changes]

    assert [401, 422, 422, 204] == [answer.status_code for answer in answers]
    assert served.ask("GET", ME, carer).status_code == 200
    assert (401, "session-ended") == told(served.ask("GET", ME, other))


def test_a_manager_ends_a_session(served: Served, manager: Person, carer: Person) -> None:
    """A session ended by somebody who may is 401 from the next request; it is in the list until then."""
    assert carer.session is not None
    params = {"user_id": carer.id}
    before = served.ask("GET", "/v1/sessions", manager, params=params).json()["items"]

    ended = served.ask("DELETE", f"/v1/sessions/{carer.session.id}", manager)

    assert [carer.session.id] == [session["id"] for session in before]
    assert (204, (401, "session-ended")) == (ended.status_code, told(served.ask("GET", ME, carer)))
    assert [] == served.ask("GET", "/v1/sessions", manager, params=params).json()["items"]


def test_twelve_hours_are_the_longest_session(served: Served, carer: Person) -> None:
    """However active it is, a session ends after 12 hours."""
    for _ in range(79):
        served.world.pass_time(minutes=9)
        assert served.ask("GET", ME, carer).status_code == 200
    served.world.pass_time(minutes=9)

    assert (401, "session-ended") == told(served.ask("GET", ME, carer))


# --- shifts -------------------------------------------------------------------------------------------


def test_an_agency_session_ends_with_its_shift(served: Served) -> None:
    """An agency worker's session ends with the shift, and outside a shift nobody of an agency signs in."""
    nurse = served.world.person("agency_nurse", shift_hours=2, signed_in=False)
    session = served.sign_in(nurse).json()
    assert ("shift", served.world.later(hours=2)) == (
        session["session"]["ends_because"],
        session["session"]["ends_at"],
    )
    token = session["access_token"]
    served.world.pass_time(hours=2)

    over = served.ask("GET", ME, token)
    off = served.sign_in(nurse)
    wrong = served.sign_in(nurse, otp="000000")

    assert [(401, "shift-over"), (403, "off-shift"), (401, "otp-required")] == [
        told(a) for a in (over, off, wrong)
    ]
    assert ("deny", "deny") == (entry(served, over)["out"], entry(served, off)["out"])


def test_a_shortened_shift_acts_at_once(served: Served, manager: Person) -> None:
    """A shift that is shortened ends its sessions with the next request; extended again it revives none."""
    nurse = served.world.person("agency_nurse")
    shifts = f"/v1/users/{nurse.id}/shifts"
    shift = served.ask("GET", shifts, manager).json()["items"][0]
    assert served.ask("GET", HOMES, nurse).status_code == 200
    for hours, status in ((-0.1, 401), (4, 401)):
        change = {"ends_at": served.world.later(hours=hours)}
        assert served.ask("PATCH", f"{shifts}/{shift['id']}", manager, json=change).status_code == 200
        assert status == served.ask("GET", HOMES, nurse).status_code
    served.world.pass_time(seconds=60)
    again = served.sign_in(nurse).json()["access_token"]
    assert served.ask("GET", HOMES, again).status_code == 200
    assert served.ask("DELETE", f"{shifts}/{shift['id']}", manager).status_code == 204
    assert (401, "shift-over") == told(served.ask("GET", HOMES, again))


def test_the_shift_names_role_and_home(served: Served) -> None:
    """Of several shifts the one named counts, else the one that ends last; only its role and home act."""
    world = served.world
    assignments = [
        {"role": "agency_nurse", "home_id": world.home},
        {"role": "agency_carer", "home_id": world.other_home},
    ]
    worker = world.person("agency_nurse", assignments=assignments, shift_hours=0, signed_in=False)
    nursing = world.shift(worker, hours=4)
    worker.role = "agency_carer"
    caring = world.shift(worker, hours=6, home=world.other_home)
    homes = []
    for named in (nursing, caring, None):
        world.pass_time(seconds=60)
        signed_in = served.sign_in(worker, shift_id=named)
        token = signed_in.json()["access_token"]
        homes.append([home["id"] for home in served.ask("GET", HOMES, token).json()["items"]])
        acting = signed_in.json()["user"]["assignments"]
        assert homes[-1] == [assignment["home_id"] for assignment in acting]
    world.pass_time(seconds=60)
    unknown = served.sign_in(worker, shift_id="01890000-0000-7000-8000-000000000001")

    assert [[world.home], [world.other_home], [world.other_home]] == homes
    assert (403, "off-shift") == told(unknown)
