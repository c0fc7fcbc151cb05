"""The shapes of sessions, accounts, shifts and roles in answers."""

from typing import Any, Literal

from app.http.shapes import Answered


class SessionOut(Answered):
    """A session."""

    id: str
    started_at: str
    idle_timeout_s: int
    ends_at: str
    ends_because: Literal["lifetime", "shift"]


class SessionPage(Answered):
    """The sessions of a person."""

    items: list[SessionOut]
    next_cursor: str | None


class UserOut(Answered):
    """An account."""

    id: str
    username: str
    display_name: str
    kind: Literal["staff", "agency"]
    assignments: list[dict[str, Any]]


class UserPage(Answered):
    """A page of accounts."""

    items: list[UserOut]
    next_cursor: str | None


class SignedInOut(Answered):
    """A new session, its access token and its user."""

    access_token: str
    token_type: Literal["Bearer"]
    session: SessionOut
    user: UserOut
    password_change_required: bool
    second_factor_enrolled: bool


class ShiftOut(Answered):
    """A shift."""

    id: str
    user_id: str
    home_id: str
    role: str
    starts_at: str
    ends_at: str
    agency: str | None


class ShiftPage(Answered):
    """A page of shifts."""

    items: list[ShiftOut]
    next_cursor: str | None


class TotpOut(Answered):
    """A secret for an authenticator."""

    secret: str
    otpauth_uri: str


class RecoveryCodesOut(Answered):
    """Codes for the day the authenticator is lost. Shown once."""

    recovery_codes: list[str]


class RolesOut(Answered):
    """The organisation's permission matrix, in the shape of the published one."""

    roles: dict[str, Any]
