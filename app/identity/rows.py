"""Rows of people, as they are read: fields in the order of the columns selected."""

from typing import NamedTuple


class SessionRow(NamedTuple):
    """A session. Instants in their one spelling."""

    id: str
    org: str
    user_id: str
    device_kind: str
    device_id: str | None
    shift_id: str | None
    started_at: str
    seen_at: str
    ends_at: str
    ends_because: str
    idle_timeout_s: int
    factor_at: str | None
    locked_at: str | None
    unlock_failures: int
    ended_at: str | None
    end_reason: str | None


class AccountRow(NamedTuple):
    """A person's login."""

    id: str
    org: str
    kind: str
    wrapped_key: bytes
    profile: bytes
    assignments: str
    password_hash: str
    password_change_required: bool
    totp_secret: bytes | None
    totp_confirmed: bool
    active: bool
    created_by: str
    created_at: str
    name_seq: int | None
    version: int
    state: bytes


class ShiftRow(NamedTuple):
    """A shift of a person at a home, in a role."""

    id: str
    org: str
    user_id: str
    home_id: str
    role: str
    agency: str | None
    starts_at: str
    ends_at: str
    cancelled: bool
    version: int
    state: bytes


class StoredRow(NamedTuple):
    """The kept answer of a changing call."""

    route: str
    key: str
    request: str
    status: int
    answer: bytes
    made_at: str
