"""Routes of sessions: sign in, look, lock, unlock, step up, sign out, end somebody's session."""

from typing import Annotated, Literal

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from app.access.visit import Visited, VisitRefusedError
from app.core.errors import InvalidRequestError, TooManyAttemptsError
from app.http.people_shapes import OwnSessionOut, SessionPage, SignedInOut
from app.http.presenting import Id, answer, desk_of, operation_of, respond, route
from app.http.residents import Cursor, Limit
from app.http.shapes import GivenId
from app.http.strict_route import strict_router
from app.identity.ending import EndSession, ListSessions
from app.identity.own_session import LockSession, PrepareUnlock, ReadSession, SignOut, StepUp, Unlock
from app.identity.signing_in import Device, Reservation, ReserveSignIn, SignedIn, SignIn
from app.residents.texts import Body, Maybe

router = strict_router()
TAG = "Sessions"

Secret = Annotated[str, Field(min_length=1, max_length=512)]
Otp = Annotated[str, Field(max_length=16)]


class DeviceIn(Body):
    """What somebody signs in from."""

    id: Maybe[Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]] = None
    kind: Literal["desktop", "shared_tablet", "mobile"]


class SignInIn(Body):
    """Name, password, second factor; an agency worker may name the shift."""

    username: Annotated[str, Field(min_length=1, max_length=200)]
    password: Secret
    otp: Maybe[Otp] = None
    recovery_code: Maybe[Annotated[str, Field(max_length=64)]] = None
    shift_id: Maybe[GivenId] = None
    device: Maybe[DeviceIn] = None


class UnlockIn(Body):
    """The password, and after 30 minutes a one-time code."""

    password: Secret
    otp: Maybe[Otp] = None


class OtpIn(Body):
    """A one-time code."""

    otp: Otp


@route(router, "POST", "/v1/sessions", SignedInOut, tag=TAG)
async def sign_in(request: Request, body: SignInIn) -> Response:
    """Sign in with user name, password and one-time code."""
    if body.otp is not None and body.recovery_code is not None:
        raise InvalidRequestError(("/recovery_code", "Send a one-time code or a recovery code, not both."))
    desk = desk_of(request)
    reserved = await desk.visit(request, ReserveSignIn(body.username), stranger=True)
    reservation: Reservation = reserved.answer.payload
    if reservation.held.refused:
        raise TooManyAttemptsError(retry_after=reservation.held.retry_after_s)
    device = Device(body.device.kind, body.device.id) if body.device else Device()
    work = SignIn(
        reservation,
        await verdict(request, reservation.password_hash, body.password),
        body.otp,
        body.recovery_code,
        body.shift_id,
        device,
        desk.idle_caps,
    )
    try:
        visited = await desk.visit(request, work, stranger=True)
    except VisitRefusedError as refused:
        # no receipt: it would tell a stranger which organisation a name belongs to
        raise VisitRefusedError(refused.error, None) from None
    return _signed_in(request, visited)


async def verdict(request: Request, stored: str | None, given: str) -> bool | None:
    """Say whether a password is right, checked in the pool; None when the pool has no room."""
    try:
        return await desk_of(request).passwords.check(stored, given)
    except TooManyAttemptsError:
        return None


def _signed_in(request: Request, visited: Visited) -> Response:
    signed: SignedIn = visited.answer.payload
    signer = desk_of(request).signer
    token = signer.issue(signed.session_id, signed.org, signed.user_id, signed.started_at, signed.ends_at)
    visited.answer.payload = {"access_token": token, "token_type": "Bearer"} | signed.body
    return respond(visited, operation_of(request))


@route(router, "GET", "/v1/sessions/current", OwnSessionOut, tag=TAG)
async def read_session(request: Request) -> Response:
    """Read one's own session."""
    return await answer(request, ReadSession())


@route(router, "DELETE", "/v1/sessions/current", tag=TAG)
async def sign_out(request: Request) -> Response:
    """Sign out. The token is worth nothing from here."""
    return await answer(request, SignOut())


@route(router, "POST", "/v1/sessions/current/lock", tag=TAG)
async def lock_session(request: Request) -> Response:
    """Lock one's own session."""
    return await answer(request, LockSession())


@route(router, "POST", "/v1/sessions/current/unlock", OwnSessionOut, tag=TAG)
async def unlock_session(request: Request, body: UnlockIn) -> Response:
    """Wake one's own locked or idle session."""
    stored: str = (await desk_of(request).visit(request, PrepareUnlock())).answer.payload
    right = await verdict(request, stored, body.password)
    return await answer(request, Unlock(stored, right, body.otp))


@route(router, "POST", "/v1/sessions/current/step-up", OwnSessionOut, tag=TAG)
async def step_up(request: Request, body: OtpIn) -> Response:
    """Confirm with a fresh one-time code."""
    return await answer(request, StepUp(body.otp))


@route(router, "GET", "/v1/sessions", SessionPage, tag=TAG)
async def list_sessions(
    request: Request,
    user_id: Annotated[GivenId, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """List the sessions of a person in the caller's scope, newest first."""
    return await answer(request, ListSessions(user_id, limit, cursor))


@route(router, "DELETE", "/v1/sessions/{session_id}", tag=TAG)
async def end_session(request: Request, session_id: Id) -> Response:
    """End somebody's session at once."""
    return await answer(request, EndSession(session_id))
