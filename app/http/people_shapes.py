"""The shapes of sessions, accounts, shifts and roles in answers."""

from typing import Annotated, Literal

from pydantic import Field

from app.http.shapes import Answered, Moment, Tagged, Uuid


class DeviceOut(Answered):
    """What somebody signed in from."""

    id: str | None
    kind: Literal["desktop", "shared_tablet", "mobile"]


class SessionOut(Answered):
    """A session."""

    id: Uuid
    user_id: Uuid
    device: DeviceOut
    shift_id: Uuid | None
    started_at: Moment
    idle_timeout_s: int
    ends_at: Moment
    ends_because: Literal["lifetime", "shift"]
    second_factor_at: Moment | None


class OwnSessionOut(SessionOut):
    """One's own session, and what one has to do before it may be used for more."""

    password_change_required: bool
    second_factor_enrolled: bool


class SessionSeenOut(SessionOut):
    """Somebody's session, and when it was last used."""

    seen_at: Moment
    locked_at: Moment | None


class SessionPage(Answered):
    """The sessions of a person."""

    items: list[SessionSeenOut]
    next_cursor: str | None


class AssignmentOut(Answered):
    """One role, and where it holds: without `home_id` everywhere, else as `unit` and `resident_ids` limit."""

    role: str
    home_id: Uuid | None
    unit: str | None = None
    resident_ids: list[Uuid] | None = None


class SignedInUserOut(Answered):
    """Who signed in, with the assignments the session acts with."""

    id: Uuid
    username: str
    display_name: str
    kind: Literal["staff", "agency"]
    assignments: list[AssignmentOut]


class UserOut(Tagged):
    """An account."""

    id: Uuid
    username: str
    display_name: str
    kind: Literal["staff", "agency"]
    assignments: list[AssignmentOut]
    active: bool
    password_change_required: bool
    second_factor_enrolled: bool
    created_at: Moment
    version: int


class NewUserOut(UserOut):
    """A new account with its initial password, which is shown this once; a repeated call shows null."""

    initial_password: str | None


class UserPage(Answered):
    """A page of accounts."""

    items: list[UserOut]
    next_cursor: str | None


class SignedInOut(Answered):
    """A new session, its access token and its user."""

    access_token: str
    token_type: Literal["Bearer"]
    session: SessionOut
    user: SignedInUserOut
    password_change_required: bool
    second_factor_enrolled: bool


class ShiftOut(Tagged):
    """A shift."""

    id: Uuid
    user_id: Uuid
    home_id: Uuid
    role: str
    starts_at: Moment
    ends_at: Moment
    agency: str | None
    cancelled: bool
    version: int


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


class RoleOut(Answered):
    """A role: for whom it is, what it may do to records of each category, and its system permissions."""

    for_: Annotated[str, Field(alias="for")]
    user_kind: Literal["staff", "agency"]
    records: dict[str, list[str]]
    system: list[str]


class OwnAmendmentOut(Answered):
    """What authors may amend of their own, and for how long."""

    categories: list[str]
    hours: int
    about: str


class RolesOut(Answered):
    """The organisation's permission matrix, in the shape of the published one."""

    roles: dict[str, RoleOut]
    versions: dict[str, int]
    actions: list[str]
    categories: list[str]
    organisation_wide_only: list[str]
    own_amendment: OwnAmendmentOut
