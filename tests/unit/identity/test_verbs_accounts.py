"""Accounts behind the door: create, read, list, amend, deactivate, reactivate."""

import hashlib

import orjson
import pytest

from app.access.visit import Session, System
from app.core.errors import (
    ConflictError,
    ForbiddenError,
    HiddenError,
    InvalidRequestError,
    NotFoundError,
    SessionEndedError,
    VersionConflictError,
)
from app.core.identifiers import new_id
from app.identity import table
from app.identity.accounts import AmendAccount, DeactivateAccount, ReactivateAccount
from app.identity.defaults import DEFAULT_ROLES
from app.identity.directory import ListAccounts, ListRoles, ReadAccount, ReadMe
from app.identity.new_accounts import CreateAccount
from app.identity.own_session import ReadSession
from tests.support.world import Person, World

CREATE = "POST /v1/users"
READ = "GET /v1/users/{user_id}"
LIST = "GET /v1/users"
AMEND = "PATCH /v1/users/{user_id}"
DEACTIVATE = "POST /v1/users/{user_id}/deactivate"
REACTIVATE = "POST /v1/users/{user_id}/reactivate"
SESSION = "GET /v1/sessions/current"


@pytest.fixture
def manager(world: World) -> Person:
    return world.person("registered_manager", None, name="Marjorie")


def creation(username="n.newby", assignments=(), kind="staff", display_name="Nadia Newby", **more):
    return CreateAccount(
        username, display_name, kind, list(assignments), "$argon2id$made-outside", "shown-once", **more
    )


def ids_listed(world: World, who: Person, limit: int = 50) -> list[str]:
    return [user["id"] for user in world.answer(ListAccounts(limit), LIST, who).payload["items"]]


def test_creation_shows_the_user_and_the_password_once(world, manager):
    """A new account is shown with its initial password, which must be replaced at the first sign-in."""
    at_home = {"role": "carer", "home_id": world.home}

    answer = world.answer(creation(assignments=[at_home]), CREATE, manager)

    assert answer.payload == {
        "id": answer.payload["id"],
        "username": "n.newby",
        "display_name": "Nadia Newby",
        "kind": "staff",
        "assignments": [at_home],
        "active": True,
        "password_change_required": True,
        "second_factor_enrolled": False,
        "created_at": "2026-03-02T09:00:00.000000Z",
        "version": 1,
        "initial_password": "shown-once",
    }
    assert answer.version == 1


def test_repeated_creation_answers_without_the_password(world, manager):
    """A repeated Idempotency-Key creates nobody and answers with the same user and no password."""
    first = world.answer(creation(), CREATE, manager, key="k1").payload
    accounts = len(world.rows(table.account))

    again = world.answer(creation(), CREATE, manager, key="k1").payload

    assert again == first | {"initial_password": None}
    assert len(world.rows(table.account)) == accounts
    assert world.entry()["act"] == "user.create"


def test_user_names_are_unique_in_the_deployment(world, manager):
    """A user name taken in any organisation, in any case or with spaces around it, is a conflict."""
    other = world.found("Other Care")
    stranger = world.person("registered_manager", None, org=other)
    world.answer(creation("Nadia.N"), CREATE, manager)

    error = world.refusal(creation(" nadia.n "), CREATE, stranger)

    assert isinstance(error, ConflictError)
    assert (world.entry()["out"], world.entry()["why"]) == ("fail", "username-taken")


@pytest.mark.parametrize(
    ("work", "pointer"),
    [
        (creation("x"), "/username"),
        (creation(display_name="  "), "/display_name"),
        (creation(display_name="Line\nBreak"), "/display_name"),
        (creation(assignments=[{"role": "juggler", "home_id": None}]), "/assignments/0/role"),
        (creation(assignments=[{"role": "agency_carer", "home_id": None}]), "/assignments/0/role"),
        (creation(assignments=[{"role": "carer", "home_id": None}], kind="agency"), "/assignments/0/role"),
        (creation(assignments=[{"role": "carer", "home_id": new_id()}]), "/assignments/0/home_id"),
    ],
)
def test_what_makes_no_account(world, manager, work, pointer):
    """A bad name, an unknown role, a role of the other kind and an unknown home are invalid input."""
    error = world.refusal(work, CREATE, manager)

    assert isinstance(error, InvalidRequestError)
    assert [p for p, _ in error.errors] == [pointer]
    assert world.entry()["out"] == "fail"


def test_home_of_another_organisation_is_unknown(world, manager):
    """A home of another provider cannot be assigned: here it does not exist."""
    abroad = world.open_home(world.found("Other Care"), "Far House")

    error = world.refusal(creation(assignments=[{"role": "carer", "home_id": abroad}]), CREATE, manager)

    assert isinstance(error, InvalidRequestError)


def test_creation_entry_binds_the_row(world, manager):
    """The entry holds version, changed fields and the row's digest; the next one sets the name."""
    shown = world.answer(creation(), CREATE, manager).payload
    entry = world.entry()
    named = world.entries()[-1]

    row = next(r for r in world.rows(table.account) if r["id"] == shown["id"])
    assert entry["obj"] == {"t": "user", "id": shown["id"], "ver": 1}
    assert entry["state"] == bytes(row["state"]).hex()
    assert {c["f"] for c in entry["chg"]} >= {"username", "display_name", "kind", "assignments", "active"}
    assert (named["act"], named["obj"]) == ("identity.set", {"t": "user", "id": shown["id"]})
    assert row["name_seq"] == len(world.entries()) - 1
    assert len(named["name_h"]) == len(hashlib.sha256().hexdigest())


def test_names_and_secrets_are_sealed(world, manager):
    """No name, user name or authenticator secret stands readable in any row or line."""
    world.answer(creation("canary.user", display_name="Canary Quillfeather"), CREATE, manager)
    secret = manager.totp_secret

    tables = [table.account, table.session, table.throttle]
    everything = repr([world.rows(t) for t in tables]) + repr(world.entries())

    assert world.home in repr(world.rows(table.home)), "the search itself works"
    for plain in ("canary.user", "Quillfeather", "Marjorie", secret):
        assert plain not in everything


def test_scope_of_reading(world, manager):
    """A user is visible where one of their assignments is at a home the caller reaches, and nowhere else."""
    deputy = world.person("deputy_manager", name="Deputy")
    here = world.person("carer", signed_in=False)
    elsewhere = world.person("carer", world.other_home, signed_in=False)
    everywhere = world.person("auditor", None, signed_in=False)
    unassigned = world.person(signed_in=False)

    assert set(ids_listed(world, deputy)) == {deputy.id, here.id, unassigned.id}
    assert set(ids_listed(world, manager)) >= {here.id, elsewhere.id, everywhere.id, unassigned.id}
    for hidden in (elsewhere, everywhere):
        assert isinstance(world.refusal(ReadAccount(hidden.id), READ, deputy), HiddenError)
        assert (world.entry()["out"], world.entry()["why"]) == ("deny", "out-of-scope")


def test_shift_planners_read_their_home_and_no_unassigned(world):
    """`shifts:manage` reads the people of its home; accounts without assignments are for `users:manage`."""
    nurse = world.person("nurse")
    here = world.person("carer", signed_in=False)
    unassigned = world.person(signed_in=False)

    assert set(ids_listed(world, nurse)) == {nurse.id, here.id}
    assert isinstance(world.refusal(ReadAccount(unassigned.id), READ, nurse), HiddenError)


def test_unknown_and_foreign_users_are_not_found(world, manager):
    """A user that does not exist and one of another organisation are answered alike, and both fail."""
    foreign = world.person("carer", None, org=world.found("Other Care"), signed_in=False)

    for user_id in (new_id(), foreign.id):
        error = world.refusal(ReadAccount(user_id), READ, manager)
        assert type(error) is NotFoundError
        assert world.entry()["obj"] == {"t": "user", "id": user_id}


def test_those_without_the_permission_read_nobody(world):
    """A carer reads no user but themselves."""
    carer = world.person("carer")

    assert isinstance(world.refusal(ReadAccount(carer.id), READ, carer), ForbiddenError)
    assert isinstance(world.refusal(ListAccounts(), LIST, carer), ForbiddenError)
    me = world.answer(ReadMe(), "GET /v1/users/me", carer).payload
    assert (me["id"], me["username"], me["kind"]) == (carer.id, carer.username, "staff")
    assert world.entry()["obj"] == {"t": "user", "id": carer.id, "ver": 1}


def test_list_goes_on_where_it_ended(world, manager):
    """Pages of a list are newest first, hold everyone visible once, and skip who is not."""
    deputy = world.person("deputy_manager")
    seen = [world.person("carer", signed_in=False).id for _ in range(3)]
    world.person("carer", world.other_home, signed_in=False)
    wanted = [*reversed(seen), deputy.id]

    pages, cursor = [], None
    for _ in range(2):
        page = world.answer(ListAccounts(2, cursor), LIST, deputy).payload
        cursor = page["next_cursor"]
        pages.append([user["id"] for user in page["items"]])

    assert pages == [wanted[:2], wanted[2:]]
    assert cursor is None
    assert world.entry()["n"] == 2


def test_amending_a_name(world, manager):
    """A new display name raises the version and sets the name anew in the trail."""
    carer = world.person("carer", name="Before", signed_in=False)

    answer = world.answer(AmendAccount(carer.id, 1, display_name=" Afterwards "), AMEND, manager)

    assert (answer.payload["display_name"], answer.version) == ("Afterwards", 2)
    assert [c["f"] for c in world.entry()["chg"]] == ["display_name"]
    assert world.entries()[-1]["act"] == "identity.set"
    again = world.answer(ReadAccount(carer.id), READ, manager).payload
    assert again["display_name"] == "Afterwards"


def test_amending_assignments_names_nobody_anew(world, manager):
    """New assignments act on the next request and leave the name where it was set."""
    carer = world.person("carer")
    kitchen = [{"role": "kitchen", "home_id": world.other_home}]

    answer = world.answer(AmendAccount(carer.id, 1, assignments=kitchen), AMEND, manager)

    assert answer.payload["assignments"] == kitchen
    assert world.entries()[-1]["act"] == "user.update"
    world.answer(ReadMe(), "GET /v1/users/me", carer)
    assert (world.entry()["actor"]["roles"], world.entry()["homes"]) == (["kitchen"], [world.other_home])


def test_amending_assignments_to_a_home_that_is_unknown(world, manager):
    """A home that is not the organisation's is refused where it stands, and nothing is assigned."""
    carer = world.person("carer", signed_in=False)
    foreign = world.open_home(world.found("Other Care"), "Elsewhere")
    homes = (world.other_home, foreign, new_id())
    assignments = [{"role": "carer", "home_id": home} for home in homes]

    refused = world.refusal(AmendAccount(carer.id, 1, None, assignments), AMEND, manager)
    [row] = [row for row in world.rows(table.account) if row["id"] == carer.id]

    assert isinstance(refused, InvalidRequestError)
    assert ["/assignments/1/home_id", "/assignments/2/home_id"] == [pointer for pointer, _ in refused.errors]
    assert (1, [world.home]) == (row["version"], [one["home_id"] for one in orjson.loads(row["assignments"])])


def test_amending_a_stale_version(world, manager):
    """A change on a version that is not the present one is refused, and nothing changes."""
    carer = world.person("carer", name="Before", signed_in=False)
    world.answer(AmendAccount(carer.id, 1, display_name="First"), AMEND, manager)

    error = world.refusal(AmendAccount(carer.id, 1, display_name="Second"), AMEND, manager)

    assert isinstance(error, VersionConflictError)
    assert world.answer(ReadAccount(carer.id), READ, manager).payload["display_name"] == "First"


def test_deactivation_ends_every_session_at_once(world, manager):
    """A deactivated user's next request is refused, on every device, and the reason is kept sealed."""
    carer = world.person("carer")
    tablet = carer.session
    world.sign_in(carer)

    answer = world.answer(DeactivateAccount(carer.id, "left on Friday"), DEACTIVATE, manager)

    assert (answer.payload["active"], answer.version) == (False, 2)
    assert "reason_h" in world.entry()
    for session in (tablet, carer.session):
        error = world.refusal(ReadSession(), SESSION, session)
        assert isinstance(error, SessionEndedError)
        assert world.entry()["why"] == "deactivated"


def test_reactivation_revives_no_session(world, manager):
    """A reactivated user signs in again; a session that was ended stays ended."""
    carer = world.person("carer")
    old = carer.session
    world.answer(DeactivateAccount(carer.id, "left"), DEACTIVATE, manager)

    world.answer(ReactivateAccount(carer.id, "came back"), REACTIVATE, manager)

    assert isinstance(world.refusal(ReadSession(), SESSION, old), SessionEndedError)
    world.sign_in(carer)
    world.answer(ReadSession(), SESSION, carer)


def test_activation_is_changed_only_when_it_changes(world, manager):
    """Deactivating twice, reactivating an active account and deactivating oneself are conflicts."""
    carer = world.person("carer", signed_in=False)

    assert isinstance(world.refusal(ReactivateAccount(carer.id, "r"), REACTIVATE, manager), ConflictError)
    world.answer(DeactivateAccount(carer.id, "r"), DEACTIVATE, manager)
    assert isinstance(world.refusal(DeactivateAccount(carer.id, "r"), DEACTIVATE, manager), ConflictError)
    own = world.refusal(DeactivateAccount(manager.id, "r"), DEACTIVATE, manager)
    assert (type(own), own.why) == (ConflictError, "own-account")


def test_reading_someone_is_not_managing_them(world):
    """Whoever reads a user by their shifts at one home and manages another home changes nothing of theirs."""
    both = world.person(
        assignments=[
            {"role": "nurse", "home_id": world.home},
            {"role": "deputy_manager", "home_id": world.other_home},
        ]
    )
    carer = world.person("carer", signed_in=False)

    error = world.refusal(DeactivateAccount(carer.id, "r"), DEACTIVATE, both)

    assert (type(error), error.why) == (ForbiddenError, "action-not-allowed")


def test_roles_are_shown_as_published(world):
    """Anybody signed in reads the organisation's matrix, which starts as the default permissions."""
    carer = world.person("carer")

    shown = world.answer(ListRoles(), "GET /v1/roles", carer).payload

    assert shown["roles"] == DEFAULT_ROLES
    assert len(shown["roles"]) == 15
    assert set(shown["versions"].values()) == {1}
    assert world.entry()["n"] == 15


def test_operators_create_through_the_same_door(world):
    """The command line's agent may create anybody; its entry names the command."""
    shown = world.answer(creation(), CREATE, System("cli", world.org)).payload

    assert world.entry()["actor"] == {"id": "system:cli", "kind": "system"}
    assert world.rows(table.account)[0]["created_by"] == "system:cli"
    assert shown["username"] == "n.newby"


def test_session_of_nobody_is_unknown(world):
    """A session this service never issued makes no entry."""
    before = len(world.entries())

    world.refusal(ReadMe(), "GET /v1/users/me", Session(new_id(), world.org))

    assert len(world.entries()) == before
