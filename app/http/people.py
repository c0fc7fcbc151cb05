"""Routes of accounts, shifts and roles."""

from functools import partial
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from app.core.errors import CaretrailError, InvalidRequestError
from app.http.people_shapes import (
    NewUserOut,
    RecoveryCodesOut,
    RolesOut,
    ShiftOut,
    ShiftPage,
    TotpOut,
    UserOut,
    UserPage,
)
from app.http.presenting import Desk, Id, answer, desk_of, route
from app.http.residents import Cursor, Limit
from app.http.sessions import OtpIn, Secret, verdict
from app.http.shapes import GivenId, at_least_one, fields_named
from app.http.strict_route import strict_router
from app.identity.accounts import AmendAccount, DeactivateAccount, ReactivateAccount
from app.identity.directory import ListAccounts, ListRoles, ReadAccount, ReadMe
from app.identity.new_accounts import CreateAccount, PrepareAccount
from app.identity.own_credentials import (
    ChangePassword,
    ConfirmTotp,
    OfferTotp,
    OwnPassword,
    PreparePassword,
    new_initial_password,
)
from app.identity.password_policy import check_new_password
from app.identity.shift_rows import NewShift
from app.identity.shifts import AmendShift, CancelShift, CreateShift, ListShifts
from app.residents.texts import Body, Instant, LongText, Maybe, ShortText

router = strict_router()
TAG = "People"


class AssignmentIn(Body):
    """One role, and where it holds."""

    role: ShortText
    home_id: GivenId | None
    unit: Maybe[ShortText] = None
    resident_ids: Maybe[list[GivenId]] = None


class ShiftTimesIn(Body):
    """When a shift is, and through which agency."""

    starts_at: Instant
    ends_at: Instant
    agency: Maybe[ShortText] = None


class UserIn(Body):
    """A new account. `shift` admits an agency worker for the shift that begins."""

    username: Annotated[str, Field(min_length=1, max_length=200)]
    display_name: ShortText
    kind: Literal["staff", "agency"]
    assignments: list[AssignmentIn]
    shift: Maybe[ShiftTimesIn] = None


class UserPatch(Body):
    """Changes of an account; the assignments given replace those there are."""

    model_config = ConfigDict(json_schema_extra=at_least_one)

    display_name: Maybe[ShortText] = None
    assignments: Maybe[list[AssignmentIn]] = None


class ReasonIn(Body):
    """Why."""

    reason: LongText


class ShiftIn(ShiftTimesIn):
    """A shift at a home in a role."""

    home_id: GivenId
    role: ShortText


class ShiftPatch(Body):
    """Changes of a shift. One that is shortened acts at once."""

    model_config = ConfigDict(json_schema_extra=at_least_one)

    starts_at: Maybe[Instant] = None
    ends_at: Maybe[Instant] = None


class PasswordIn(Body):
    """The present password and the one to come."""

    current_password: Secret
    new_password: Secret


def _plain(assignments: list[AssignmentIn]) -> list[dict[str, Any]]:
    return [a.model_dump(exclude_unset=True) for a in assignments]


@route(router, "GET", "/v1/users/me", UserOut, tag=TAG)
async def read_me(request: Request) -> Response:
    """Read one's own account."""
    return await answer(request, ReadMe())


@route(router, "PUT", "/v1/users/me/password", tag=TAG)
async def change_password(request: Request, body: PasswordIn) -> Response:
    """Change one's own password. Ends one's other sessions."""
    desk = desk_of(request)
    prepared: OwnPassword = (await desk.visit(request, PreparePassword())).answer.payload
    work = ChangePassword(prepared, None)
    if not prepared.held.refused:
        work.right = await verdict(request, prepared.password_hash, body.current_password)
    if work.right:
        await _judge(desk, work, body.new_password)
    return await answer(request, work)


async def _judge(desk: Desk, work: ChangePassword, new_password: str) -> None:
    """Hash a new password that is fit, or note why it is not; both outside the turn."""
    check = partial(
        check_new_password,
        new_password,
        second_factor=desk.second_factor_required or work.prepared.second_factor,
        forbidden_words=work.prepared.forbidden_words,
        breached=desk.breached,
    )
    try:
        if await desk.passwords.check(work.prepared.password_hash, new_password):
            raise InvalidRequestError(("/new_password", "Must not be the password you have."))
        await desk.passwords.run(check)
        work.new_hash = await desk.passwords.hash(new_password)
    except CaretrailError as problem:
        work.problem = problem


@route(router, "POST", "/v1/users/me/totp", TotpOut, tag=TAG)
async def offer_totp(request: Request) -> Response:
    """Get a secret for an authenticator, to be confirmed with a code."""
    return await answer(request, OfferTotp(desk_of(request).deployment))


@route(router, "POST", "/v1/users/me/totp/confirm", RecoveryCodesOut, tag=TAG)
async def confirm_totp(request: Request, body: OtpIn) -> Response:
    """Confirm the authenticator with a code; returns recovery codes, once."""
    return await answer(request, ConfirmTotp(body.otp))


@route(router, "POST", "/v1/users", NewUserOut, tag=TAG)
async def create_user(request: Request, body: UserIn) -> Response:
    """Create an account. Its initial password is shown once."""
    desk = desk_of(request)
    await desk.visit(request, PrepareAccount())
    password = new_initial_password(desk.entropy)
    shift = NewShift(body.shift.starts_at, body.shift.ends_at, body.shift.agency) if body.shift else None
    work = CreateAccount(
        body.username,
        body.display_name,
        body.kind,
        _plain(body.assignments),
        await desk.passwords.hash(password),
        password,
        shift,
    )
    return await answer(request, work)


@route(router, "GET", "/v1/users", UserPage, tag=TAG)
async def list_users(request: Request, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """List the accounts in the caller's scope."""
    return await answer(request, ListAccounts(limit, cursor))


@route(router, "GET", "/v1/users/{user_id}", UserOut, tag=TAG)
async def read_user(request: Request, user_id: Id) -> Response:
    """Read one account."""
    return await answer(request, ReadAccount(user_id))


@route(router, "PATCH", "/v1/users/{user_id}", UserOut, tag=TAG)
async def amend_user(request: Request, user_id: Id, body: UserPatch) -> Response:
    """Change a name or assignments. Acts on the next request."""
    was = desk_of(request).version(request)
    fields_named(body)  # one that names nothing is refused
    assignments = _plain(body.assignments) if body.assignments is not None else None
    return await answer(request, AmendAccount(user_id, was, body.display_name, assignments))


@route(router, "POST", "/v1/users/{user_id}/deactivate", UserOut, tag=TAG)
async def deactivate_user(request: Request, user_id: Id, body: ReasonIn) -> Response:
    """Deactivate an account and end all its sessions at once."""
    return await answer(request, DeactivateAccount(user_id, body.reason))


@route(router, "POST", "/v1/users/{user_id}/reactivate", UserOut, tag=TAG)
async def reactivate_user(request: Request, user_id: Id, body: ReasonIn) -> Response:
    """Activate an account again."""
    return await answer(request, ReactivateAccount(user_id, body.reason))


@route(router, "POST", "/v1/users/{user_id}/shifts", ShiftOut, tag=TAG)
async def create_shift(request: Request, user_id: Id, body: ShiftIn) -> Response:
    """Enter a shift. Home and role must match an assignment of the user."""
    when = NewShift(body.starts_at, body.ends_at, body.agency)
    return await answer(request, CreateShift(user_id, body.home_id, body.role, when))


@route(router, "GET", "/v1/users/{user_id}/shifts", ShiftPage, tag=TAG)
async def list_shifts(request: Request, user_id: Id, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """List a user's shifts, latest first."""
    return await answer(request, ListShifts(user_id, limit, cursor))


@route(router, "PATCH", "/v1/users/{user_id}/shifts/{shift_id}", ShiftOut, tag=TAG)
async def amend_shift(request: Request, user_id: Id, shift_id: Id, body: ShiftPatch) -> Response:
    """Move, shorten or extend a shift."""
    fields_named(body)  # one that names nothing is refused
    return await answer(request, AmendShift(user_id, shift_id, body.starts_at, body.ends_at))


@route(router, "DELETE", "/v1/users/{user_id}/shifts/{shift_id}", tag=TAG)
async def cancel_shift(request: Request, user_id: Id, shift_id: Id) -> Response:
    """Cancel a shift. Sessions in it end."""
    return await answer(request, CancelShift(user_id, shift_id))


@route(router, "GET", "/v1/roles", RolesOut, tag=TAG)
async def list_roles(request: Request) -> Response:
    """Read the organisation's permission matrix."""
    return await answer(request, ListRoles())
