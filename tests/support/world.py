"""A small world behind the real door: a database, keys, a chain, organisations, homes and people.

Everything runs synchronously: `World.do` serves one visit as a turn of one and returns its outcome.
Time stands still until a test moves `world.clock`. Nothing here is a double of our own code but the
clock, the randomness and the cost of Argon2.

    with World.at(tmp_path) as world:
        manager = world.person("registered_manager")
        world.do(ReadMe(), "GET /v1/users/me", manager)

On another database: `World("postgresql+psycopg://...")`; its tables are dropped and made anew.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import argon2.profiles
import orjson
import pyotp
from sqlalchemy import Connection, Table, select

from app.access.opened import Opened
from app.access.operation import Operation
from app.access.operations import OPERATIONS
from app.access.turn import Turn
from app.access.visit import Credential, Session, Stranger, System, Visit, Visited
from app.access.work import Answer, Repeat, Work
from app.audit import log as trail
from app.audit import table as audit_table
from app.core.clock import SetClock, spell
from app.core.errors import CaretrailError
from app.core.identifiers import SYSTEM, new_id
from app.identity.assignments import parse_assignments
from app.identity.defaults import DEFAULT_ROLES
from app.identity.homes import OpenHome
from app.identity.new_accounts import create_account
from app.identity.organisations import CREATE_ORGANISATION, FoundOrganisation
from app.identity.passwords import PasswordHashes
from app.identity.recognising import Recogniser
from app.identity.shift_rows import NewShift
from app.identity.shifts import CreateShift
from app.identity.signing_in import Device, ReserveSignIn, SignedIn, SignIn
from app.residents.gathering import Gathering
from app.storage.engine import open_engine
from app.storage.guard import carrying, fence
from app.vault.keyring import Keyring
from tests.support.counting_entropy import CountingEntropy
from tests.support.tables import make_tables

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PASSWORD = "nine wet herons by the lock"
SIGN_IN = "POST /v1/sessions"
CREATE_USER = OPERATIONS["POST /v1/users"]
HERE = "home"
"""Stands for the world's own home where a home is asked for."""


@dataclass(slots=True)
class Person:
    """Somebody with an account, and the session they act with."""

    id: str
    org: str
    username: str
    display_name: str
    role: str | None
    home_id: str | None
    password: str = PASSWORD
    totp_secret: str | None = None
    session: Session | None = None
    last_step: int = 0


@dataclass
class EnterPerson(Work):
    """Create an account as an operator does: no granter is asked."""

    username: str
    display_name: str
    kind: Any
    assignments: Sequence[dict[str, Any]]
    password_hash: str
    totp_secret: str | None = None
    password_change_required: bool = False
    changes = True
    alone = True

    def perform(self, opened: Opened) -> Answer:
        """Write the account."""
        _, shown = create_account(
            opened,
            username=self.username,
            display_name=self.display_name,
            kind=self.kind,
            assignments=parse_assignments(list(self.assignments)),
            password_hash=self.password_hash,
            password_change_required=self.password_change_required,
            totp_secret=self.totp_secret,
        )
        return Answer(shown)


@dataclass
class World:
    """One deployment. `org` has the homes `home` and `other_home`; `found` makes further organisations.

    Attributes:
        url: The database.
        second_factor_required: As the setting of the same name.
        with_tables: The tables are there already, and empty.
        visit: The visit served last, with its stamp.
    """

    url: str
    second_factor_required: bool = True
    clock: SetClock = field(default_factory=lambda: SetClock(START))
    visit: Visit | None = None
    with_tables: bool = False

    def __post_init__(self) -> None:
        """Make the tables, the keys, the system's chain, an organisation and two homes."""
        self.entropy = CountingEntropy()
        self.hashes = PasswordHashes(self.entropy, argon2.profiles.CHEAPEST)
        self._root = self.entropy.bytes(32)
        self._beside: list[World] = []
        self.keyring = Keyring(self._root, self.entropy)
        self.engine = open_engine(self.url)
        if not self.with_tables:
            make_tables(self.url)
        with self.engine.begin() as connection:
            self.keyring.found(connection, self.now)
            trail.found(connection, SYSTEM, self.now)
            self._address_key = self.keyring.derived(connection, SYSTEM, "address", self.now)
        fence(self.engine)
        self.turn = self._new_turn()
        self.org = self.found("Sample Care")
        self.home = self.open_home(self.org, "Rosewood House")
        self.other_home = self.open_home(self.org, "Elm Court")

    def _new_turn(self) -> Turn:
        recogniser = Recogniser(self.keyring, second_factor_required=self.second_factor_required)
        gathering = Gathering(recogniser)
        return Turn(self.engine, self.keyring, gathering, self.clock, self.entropy, self._address_key)

    def beside(self) -> "World":
        """Return the same deployment as another process sees it: a connection, keys and a turn of its own."""
        other = copy(self)
        other.entropy = CountingEntropy(f"beside {len(self._beside)} ")
        other.keyring = Keyring(self._root, other.entropy)
        other.engine = open_engine(self.url)
        fence(other.engine)
        other.turn = other._new_turn()
        self._beside.append(other)
        return other

    @classmethod
    def at(cls, folder: Path, **options: Any) -> Self:
        """Return a world on SQLite in a folder."""
        return cls(f"sqlite:///{folder}/world.db", **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        while self._beside:
            self._beside.pop().close()
        if self.turn._connection is not None:
            self.turn._connection.close()
        self.engine.dispose()

    # --- time ---------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        """Return the present instant of this world."""
        return self.clock.now()

    def later(self, **by: float) -> str:
        """Return an instant from now on in its one spelling: `later(hours=8)`."""
        return spell(self.now + timedelta(**by))

    def pass_time(self, **by: float) -> None:
        """Let time pass: `pass_time(minutes=11)`."""
        self.clock.advance(timedelta(**by))

    # --- visits -------------------------------------------------------------------------------

    def do(
        self,
        work: Work,
        operation: str | Operation,
        who: Person | Credential | None = None,
        *,
        key: str | None = None,
        **visit: Any,
    ) -> Visited | CaretrailError:
        """Serve one visit and return its outcome.

        Args:
            work: What is wanted.
            operation: A row of the table, or its name: `GET /v1/users`.
            who: A person with a session, or a credential; a stranger by default.
            key: An Idempotency-Key. The request counts as the same when the work is equal.
            visit: Further members of the visit: `address`, `reason`, `purpose`, `background`.
        """
        row = OPERATIONS[operation] if isinstance(operation, str) else operation
        credential = who.session if isinstance(who, Person) else who
        if isinstance(who, Person):
            assert credential is not None, "sign in first"
        repeat = Repeat(key, repr(work)) if key is not None else None
        self.visit = Visit(credential or Stranger(), row, work, repeat=repeat, **visit)
        self.turn.serve([self.visit])
        assert self.visit.outcome is not None
        return self.visit.outcome

    def answer(self, work: Work, operation: str | Operation, who: Any = None, **visit: Any) -> Answer:
        """Serve one visit that must succeed, and return its answer."""
        outcome = self.do(work, operation, who, **visit)
        assert isinstance(outcome, Visited), f"{outcome!r}: {getattr(outcome, 'why', '')}"
        return outcome.answer

    def refusal(
        self, work: Work, operation: str | Operation, who: Any = None, **visit: Any
    ) -> CaretrailError:
        """Serve one visit that must be refused, and return the error."""
        outcome = self.do(work, operation, who, **visit)
        assert isinstance(outcome, CaretrailError), f"not refused: {outcome!r}"
        return outcome

    # --- organisations, homes, people -----------------------------------------------------------

    def found(self, name: str) -> str:
        """Make an organisation with the default roles and return its id."""
        founded = self.answer(FoundOrganisation(name), CREATE_ORGANISATION, System("cli", SYSTEM))
        return str(founded.payload["id"])

    def open_home(self, org: str, name: str) -> str:
        """Enter a home and return its id."""
        opened = self.answer(OpenHome(name, None, None), "POST /v1/homes", System("cli", org))
        return str(opened.payload["id"])

    def person(
        self,
        role: str | None = None,
        home: str | None = HERE,
        *,
        org: str | None = None,
        kind: str | None = None,
        assignments: Sequence[dict[str, Any]] | None = None,
        name: str = "Person",
        factor: bool = True,
        first_sign_in: bool = False,
        signed_in: bool = True,
        shift_hours: float = 8,
    ) -> Person:
        """Create somebody and sign them in; somebody of an agency gets a shift that began an hour ago.

        Args:
            role: One role at `home` (None: organisation-wide); no role: no assignments.
            home: A home's id, or None for the whole organisation.
            org: Another organisation.
            kind: staff or agency; by default what the role is for.
            assignments: Several or narrower ones, as plain JSON, in place of role and home.
            name: The first word of the display name.
            factor: With an authenticator from the start.
            first_sign_in: The password was given by somebody else and must be changed.
            signed_in: Sign them in at once.
            shift_hours: How long the shift of somebody of an agency goes on from now.
        """
        home_id = self.home if home == HERE else home
        if assignments is None:
            assignments = [{"role": role, "home_id": home_id}] if role is not None else []
        if kind is None:
            kind = DEFAULT_ROLES[assignments[0]["role"]]["user_kind"] if assignments else "staff"
        person = self._enter(org or self.org, kind, assignments, name, factor, first_sign_in)
        if assignments:
            person.role, person.home_id = assignments[0]["role"], assignments[0]["home_id"]
        if kind == "agency" and person.role is not None and person.home_id is not None and shift_hours > 0:
            self.shift(person, hours=shift_hours)
        if signed_in:
            self.sign_in(person)
        return person

    def _enter(
        self,
        org: str,
        kind: str,
        assignments: Sequence[dict[str, Any]],
        name: str,
        factor: bool,
        first_sign_in: bool,
    ) -> Person:
        unique = new_id()[-12:]
        secret = pyotp.random_base32() if factor else None
        work = EnterPerson(
            f"p.{unique}",
            f"{name} {unique}",
            kind,
            assignments,
            self.hashes.hash(PASSWORD),
            secret,
            first_sign_in,
        )
        shown = self.answer(work, CREATE_USER, System("cli", org)).payload
        person = Person(shown["id"], org, shown["username"], shown["display_name"], None, None)
        person.totp_secret = secret
        return person

    def shift(self, person: Person, *, hours: float = 8, since: float = 1, home: str | None = None) -> str:
        """Enter a shift that began `since` hours ago and goes on for `hours`; return its id."""
        when = NewShift(self.later(hours=-since), self.later(hours=hours), "Sample Agency")
        work = CreateShift(person.id, home or str(person.home_id), str(person.role), when)
        entered = self.answer(work, "POST /v1/users/{user_id}/shifts", System("cli", person.org))
        return str(entered.payload["id"])

    # --- signing in -----------------------------------------------------------------------------

    def try_sign_in(
        self, username: str, password: str = PASSWORD, *, address: str = "192.0.2.1", **more: Any
    ) -> Visited | CaretrailError:
        """Sign in as the HTTP layer does, in two turns; a refusal by the throttle is its own outcome.

        `more` goes to `SignIn`: `otp`, `recovery_code`, `shift_id`, `device`, `caps`, `lifetime`.
        """
        outcome = self.do(ReserveSignIn(username), SIGN_IN, address=address)
        assert isinstance(outcome, Visited), outcome
        reservation = outcome.answer.payload
        if reservation.held.refused:
            return outcome
        right = self.hashes.check(reservation.password_hash, password)
        return self.do(SignIn(reservation, right, **more), SIGN_IN, address=address)

    def sign_in(self, person: Person, **more: Any) -> SignedIn:
        """Sign a person in; they act with this session from now on."""
        if person.totp_secret is not None:
            more.setdefault("otp", self.otp(person))
        outcome = self.try_sign_in(person.username, person.password, **more)
        assert isinstance(outcome, Visited), f"{outcome!r}: {getattr(outcome, 'why', '')}"
        signed_in: SignedIn = outcome.answer.payload
        person.session = Session(signed_in.session_id, signed_in.org)
        return signed_in

    def otp(self, person: Person) -> str:
        """Return a code of the person's authenticator that they have not used yet.

        A second one within the same 30 seconds is that of the next step, which is accepted too.
        """
        assert person.totp_secret is not None
        totp = pyotp.TOTP(person.totp_secret)
        step = max(totp.timecode(self.now), person.last_step + 1)
        assert step <= totp.timecode(self.now) + 1, "let 30 seconds pass first"
        person.last_step = step
        return str(totp.generate_otp(step))

    def device(self, kind: Any = "desktop", name: str | None = None) -> Device:
        """Return a device to sign in from."""
        return Device(kind, name)

    # --- looking behind the door ----------------------------------------------------------------

    def looking(self, look: Any) -> Any:
        """Run `look(connection)` on the database, past the door. For assertions only."""
        with self.engine.connect() as connection, carrying(connection, "test"), connection.begin():
            return look(connection)

    def rows(self, table: Table) -> list[dict[str, Any]]:
        """Return all rows of a table, in no order: PostgreSQL puts new ones where there is room."""

        def look(connection: Connection) -> list[dict[str, Any]]:
            return [dict(row._mapping) for row in connection.execute(select(table))]

        found: list[dict[str, Any]] = self.looking(look)
        return found

    def entries(self, org: str | None = None) -> list[dict[str, Any]]:
        """Return the entries (`e`) of a chain, in order; of the world's own organisation by default."""
        event = audit_table.event
        wanted = select(event.c.line).where(event.c.org == (org or self.org)).order_by(event.c.seq)
        lines = self.looking(lambda connection: connection.execute(wanted).scalars().all())
        return [orjson.loads(bytes(line))["e"] for line in lines]

    def entry(self) -> dict[str, Any]:
        """Return the entry of the visit served last."""
        stamp = self.visit.stamp if self.visit is not None else None
        assert stamp is not None, "that visit has no entry"
        return self.entries(stamp.org)[stamp.seq]
