"""Recognising a caller: from the rows of a session to an agent, or to the reason why not.

Checked on every request, against the rows as they are in this turn: 1 session known  2 not ended
3 shift not over  4 lifetime not over  5 account active  6 not locked  7 not idle  8 password chosen and
second factor enrolled. What ended a moment ago is refused on the next request (P7).

Source: SESSION-1 (ASVS 5.0 7.3.1, 7.3.2, 7.4.1, 7.4.2).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import orjson
from sqlalchemy import Connection, bindparam, select, update

from app.access.agent import Agent, Grant
from app.access.work import Facts
from app.core.clock import spell
from app.core.errors import (
    AlteredRow,
    CaretrailError,
    PasswordChangeRequiredError,
    SealBrokenError,
    SecondFactorRequiredError,
    SessionIdleError,
    SessionLockedError,
)
from app.identity import sessions, table
from app.identity.account_rows import refuse_altered_account
from app.identity.organisations import role_state
from app.identity.rows import AccountRow, SessionRow, ShiftRow
from app.identity.shift_rows import refuse_altered_shift
from app.identity.views import session_view, shift_view
from app.vault.keyring import Keyring
from app.vault.sealing import same_digest

_ROLES = select(table.role).where(table.role.c.org == bindparam("org"))
_TOUCH = update(table.session).where(table.session.c.id == bindparam("which")).values(seen_at=bindparam("at"))
KEEP_MOST = 4096
Rows = tuple[int, SessionRow, AccountRow, ShiftRow | None]


class Role:
    """One role of an organisation's matrix, as permissions `category:action` and system words."""

    __slots__ = ("kind", "may", "name")

    def __init__(self, name: str, kind: str, stored: str) -> None:
        self.name = name
        self.kind = kind
        self.may = permissions_of(orjson.loads(stored))


def permissions_of(matrix: dict[str, object]) -> frozenset[str]:
    """Return the permissions of a role in the shape of `permissions.json`."""
    records = matrix["records"]
    system = matrix["system"]
    assert isinstance(records, dict) and isinstance(system, list)  # noqa: S101, PT018 - our own rows
    return frozenset([f"{c}:{a}" for c, actions in records.items() for a in actions] + system)


Roles = dict[str, Role | AlteredRow]
"""Roles by name; of one that was changed behind the service's back only that it was."""


def read_roles(connection: Connection, keyring: Keyring, org: str, at: datetime) -> Roles:
    """Return the roles of an organisation, each if its row is the one the trail knows."""
    key = keyring.organisation(connection, org, at)
    found: Roles = {}
    for *columns, state in connection.execute(_ROLES, {"org": org}).all():
        _, name, _, user_kind, permissions, _ = columns
        right = same_digest(state, role_state(key, columns))
        found[name] = Role(name, user_kind, permissions) if right else AlteredRow("role", name)
    return found


def vouched(role: Role | AlteredRow) -> Role:
    """Return a role nobody tampered with.

    Raises:
        SealBrokenError: It was changed behind the service's back.
    """
    if isinstance(role, AlteredRow):
        raise SealBrokenError(why="state-broken", row=role)
    return role


class Known(NamedTuple):
    """What follows from the rows of a session, whatever the time."""

    rows: Rows
    agent: Agent
    session: sessions.SessionView
    shift: sessions.ShiftView | None


class Recogniser:
    """Turns rows into agents. What it keeps is named by version, so nothing outlives a change.

    A row that decides - account, shift, role - is held against its digest once, whenever it is another than
    the last time; nobody acts on one that was changed behind the service's back.
    """

    def __init__(self, keyring: Keyring, *, second_factor_required: bool = True) -> None:
        self._keyring = keyring
        self._second_factor_required = second_factor_required
        self._roles: dict[tuple[str, int], Roles] = {}
        self._known: dict[str, Known] = {}
        self._vouched: dict[str, AccountRow | ShiftRow] = {}
        self._grants: dict[tuple[object, ...], tuple[Grant, ...]] = {}

    def roles(self, connection: Connection, org: str, version: int, at: datetime) -> Roles:
        """Return an organisation's roles at a version of its matrix."""
        known = self._roles.get((org, version))
        if known is None:
            known = read_roles(connection, self._keyring, org, at)
            if not any(isinstance(role, AlteredRow) for role in known.values()):
                self._roles = {k: v for k, v in self._roles.items() if k[0] != org}
                self._roles[(org, version)] = known
        return known

    def grants(
        self,
        connection: Connection,
        version: int,
        account: AccountRow,
        shift: ShiftRow | None,
        at: datetime,
    ) -> tuple[Grant, ...]:
        """Return what the account was granted; of an agency worker only what the shift is for."""
        where = (shift.role, shift.home_id) if shift is not None else None
        key = (account.org, version, account.kind, account.assignments, where)
        known = self._grants.get(key)
        if known is None:
            known = self._read_grants(self.roles(connection, account.org, version, at), account, where)
            if len(self._grants) >= KEEP_MOST:
                self._grants.clear()
            self._grants[key] = known
        return known

    def _read_grants(
        self, roles: Roles, account: AccountRow, where: tuple[str, str] | None
    ) -> tuple[Grant, ...]:
        granted = []
        for assigned in orjson.loads(account.assignments):
            named_role = roles.get(assigned["role"])
            if named_role is None or (role := vouched(named_role)).kind != account.kind:
                continue
            if account.kind == "agency" and (role.name, assigned["home_id"]) != where:
                continue
            named = assigned.get("resident_ids")
            residents = frozenset(named) if named is not None else None
            granted.append(Grant(role.name, role.may, assigned["home_id"], assigned.get("unit"), residents))
        return tuple(granted)

    def recognise(
        self,
        connection: Connection,
        version: int,
        session: SessionRow,
        account: AccountRow,
        shift: ShiftRow | None,
        at: datetime,
    ) -> Facts:
        """Return who this session is, and why it may not act now if it may not."""
        try:
            known = self._recognised(connection, (version, session, account, shift), at)
        except SealBrokenError as altered:
            return Facts(_agent(session, account, ()), altered, session=session, account=account, shift=shift)
        agent, live = known.agent, known.session
        refusal = _refusal(live, account, known.shift, at)
        asleep = isinstance(refusal, SessionLockedError | SessionIdleError)
        facts = Facts(agent=agent, refusal=refusal, asleep=asleep)
        facts.session, facts.account, facts.shift = session, account, shift
        if refusal is None:
            facts.refusal = facts.unready = self._unready(account)
            facts.touch = sessions.touch_due(live.seen_at, at, live.idle_for)
        return facts

    def _recognised(self, connection: Connection, rows: Rows, at: datetime) -> Known:
        """Return what follows from rows alone; made anew whenever one of them is not as it was."""
        version, session, account, shift = rows
        known = self._known.get(session.id)
        if known is None or known.rows != rows:
            if len(self._known) >= KEEP_MOST:
                self._known.clear()
            self._vouch(connection, account, shift, at)
            agent = _agent(session, account, self.grants(connection, version, account, shift, at))
            known = Known(rows, agent, session_view(session), shift_view(shift) if shift else None)
            self._known[session.id] = known
        return known

    def _vouch(
        self, connection: Connection, account: AccountRow, shift: ShiftRow | None, at: datetime
    ) -> None:
        """Refuse an account or a shift whose digest is not that of its columns."""
        if self._vouched.get(account.id) == account and (
            shift is None or self._vouched.get(shift.id) == shift
        ):
            return
        org = self._keyring.organisation(connection, account.org, at)
        try:
            key = self._keyring.state_key(org, account.org, account.id, account.wrapped_key, at)
        except SealBrokenError as broken:
            raise SealBrokenError(why=broken.why, row=AlteredRow("user", account.id)) from broken
        refuse_altered_account(key, account)
        if len(self._vouched) >= KEEP_MOST:
            self._vouched.clear()
        self._vouched[account.id] = account
        if shift is not None:
            refuse_altered_shift(org, shift)
            self._vouched[shift.id] = shift

    def _unready(self, account: AccountRow) -> CaretrailError | None:
        if account.password_change_required:
            return PasswordChangeRequiredError()
        if self._second_factor_required and not account.totp_confirmed:
            return SecondFactorRequiredError()
        return None


def _agent(session: SessionRow, account: AccountRow, grants: tuple[Grant, ...]) -> Agent:
    homes = tuple(sorted({g.home_id for g in grants if g.home_id is not None}))
    roles = tuple(sorted({g.role for g in grants}))
    return Agent(
        account.org, account.id, "user", grants, roles, session.id, session.device_id, account.name_seq, homes
    )


def _refusal(
    session: sessions.SessionView, account: AccountRow, shift: sessions.ShiftView | None, at: datetime
) -> CaretrailError | None:
    try:
        sessions.check(session, bool(account.active), shift, at)
    except CaretrailError as refusal:
        return refusal
    return None


def touch(connection: Connection, ids: Sequence[str], at: datetime) -> None:
    """Note activity of sessions. Written at most every 2.5 % of the idle time."""
    now = spell(at)
    connection.execute(_TOUCH, [{"which": i, "at": now} for i in sorted(set(ids))])
