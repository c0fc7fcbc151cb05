"""Deeds in order of time, through the real turn: people wake their sessions, sign in, mistype.

What comes close together shares a turn, as at a door at which several wait. Every answer that was not
foreseen is counted: a simulation of which half is refused would measure nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from sqlalchemy import select

from app.access.operation import Operation
from app.access.operations import OPERATIONS
from app.access.visit import Session, Stranger, System, Visit, Visited
from app.access.work import Work
from app.audit.table import head
from app.core.clock import spell
from app.core.errors import CaretrailError
from app.core.identifiers import SYSTEM
from app.identity.accounts import DeactivateAccount
from app.identity.own_session import PrepareUnlock, SignOut, Unlock
from app.identity.sessions import IDLE_FOR, OTP_AGAIN_AFTER
from app.identity.signing_in import ReserveSignIn, SignedIn, SignIn
from app.identity.throttling import FOLD_THROTTLED, FoldThrottled
from app.residents.records import ReadRecord
from tests.simulation.asking import Asked
from tests.simulation.house import RECORDS, House, Kept
from tests.simulation.people import Member, Spot

TOGETHER = timedelta(seconds=20)
MOST_TOGETHER = 32
SIGN_IN = OPERATIONS["POST /v1/sessions"]
UNLOCK = OPERATIONS["POST /v1/sessions/current/unlock"]
SIGN_OUT = OPERATIONS["DELETE /v1/sessions/current"]


Place = tuple[str, int]
"""Where an entry stands: its chain and its number."""
_HEADS = select(head.c.org, head.c.size)


@dataclass(eq=False)
class Misuse:
    """One injected misuse, and the entries it left.

    Attributes:
        kind: What it is, in the words of the report.
        size: gross, moderate or subtle.
        variant: What was done, in a few words.
        who: The ids of the accounts it is done with; none where it is done to the service itself.
        entries: Chain and number of each entry it left, ascending.
    """

    kind: str
    size: str
    variant: str
    who: list[str] = field(default_factory=list)
    began: str = ""
    ended: str = ""
    entries: list[Place] = field(default_factory=list)

    def left(self, visit: Visit) -> None:
        """Note the entry of a visit that belongs to it."""
        if visit.stamp is not None and visit.at is not None:
            self.entries.append((visit.stamp.org, visit.stamp.seq))
            self.lasts(visit.at, visit.at)

    def lasts(self, since: datetime, until: datetime) -> None:
        """Note that it goes on at these instants."""
        self.began = min(self.began or spell(since), spell(since))
        self.ended = max(self.ended, spell(until))


@dataclass(eq=False)
class Deed:
    """Something somebody does at an instant, from a device.

    Attributes:
        ask: Makes what is presented, when it is presented: records have no ids before.
        expected: Refusals that are part of it.
        asleep: It is presented even if the session sleeps, and refused: nobody looked at the screen.
    """

    at: datetime
    who: Member
    spot: Spot
    ask: Callable[[House], Asked]
    misuse: Misuse | None = None
    expected: bool = False
    asleep: bool = False


@dataclass(eq=False)
class Special:
    """Something that is not one visit of a signed-in person."""

    at: datetime
    run: Callable[["Player"], None]
    misuse: Misuse | None = None


@dataclass
class _Live:
    session: Session
    seen: datetime
    ends: datetime
    idle: timedelta


Plan = list[Deed | Special]


class Player:
    """Plays deeds in a house."""

    def __init__(self, house: House, seed: str) -> None:
        self.house = house
        self.world = house.world
        self.surprises: Counter[str] = Counter()
        self._live: dict[tuple[Member, Spot], _Live] = {}
        self._random = Random(f"{seed}/fingers")
        self._waiting: list[tuple[Deed, Asked, Visit]] = []
        self._keys: set[object] = set()

    # --- time -----------------------------------------------------------------------------------

    def at(self, instant: datetime) -> None:
        """Let it become an instant; it never becomes an earlier one."""
        if instant > self.world.now:
            self.world.clock.advance(instant - self.world.now)

    def play(self, plan: Iterable[Deed | Special]) -> None:
        """Play deeds that are in order of time."""
        for one in plan:
            if isinstance(one, Special):
                self._serve()
                self.at(one.at)
                self._special(one)
            else:
                self._ordinary(one)
        self._serve()

    def _special(self, special: Special) -> None:
        """Let it happen; all entries that came meanwhile are of the misuse it belongs to."""
        misuse = special.misuse
        before = self._heads() if misuse is not None else {}
        special.run(self)
        if misuse is not None:
            known = set(misuse.entries)
            after = self._heads().items()
            come = [(org, seq) for org, size in after for seq in range(before.get(org, 0), size)]
            misuse.entries += [place for place in come if place not in known]
            misuse.lasts(special.at, self.world.now)

    def _heads(self) -> dict[str, int]:
        found = self.world.looking(lambda connection: connection.execute(_HEADS).all())
        return {row.org: row.size for row in found}

    def _ordinary(self, deed: Deed) -> None:
        if self._waiting and deed.at - self._waiting[0][0].at > TOGETHER:
            self._serve()
        if not self._waiting:
            self.at(deed.at)
        live = self._live.get((deed.who, deed.spot))
        if live is None or self._sleeps(live, deed):
            self._serve()
            self.at(deed.at)
            live = self._woken(deed)
        if live is None:
            return
        asked = deed.ask(self.house)
        row = OPERATIONS[asked.operation]
        visit = Visit(
            live.session,
            row,
            asked.work,
            purpose=asked.purpose,
            reason=asked.reason,
            address=deed.spot.address,
        )
        if self._keys.intersection(visit.keys) or (asked.work.alone and self._waiting):
            self._serve()
        self._waiting.append((deed, asked, visit))
        self._keys.update(visit.keys)
        if not deed.expected:
            live.seen = self.world.now
        if deed.expected or asked.work.alone or len(self._waiting) >= MOST_TOGETHER:
            self._serve()
            if isinstance(visit.outcome, Visited):  # what is refused keeps no session awake
                live.seen = self.world.now

    def _sleeps(self, live: _Live, deed: Deed) -> bool:
        return not deed.asleep and (
            self.world.now >= live.ends or self.world.now - live.seen >= live.idle * 0.96
        )

    def _serve(self) -> None:
        if not self._waiting:
            return
        served, self._waiting, self._keys = self._waiting, [], set()
        self.world.turn.serve([visit for _, _, visit in served])
        for deed, asked, visit in served:
            if deed.misuse is not None:
                deed.misuse.left(visit)
            if isinstance(visit.outcome, Visited):
                self._learn(asked, visit.outcome)
            elif not deed.expected:
                self._surprise(visit)

    def _learn(self, asked: Asked, visited: Visited) -> None:
        answer = visited.answer
        if asked.makes is not None:
            self.house.records[asked.makes].append(Kept(answer.payload["id"], *asked.makes))
        if asked.changes is not None and answer.version is not None:
            asked.changes.version = answer.version

    def _surprise(self, visit: Visit) -> None:
        error = visit.outcome
        assert isinstance(error, CaretrailError), error
        self.surprises[f"{visit.operation.act}: {error.slug} {error.why}"] += 1

    # --- sessions -------------------------------------------------------------------------------

    def _woken(self, deed: Deed) -> _Live | None:
        """Return a session somebody may act in, unlocked or begun anew; None if they did not get in."""
        live = self._live.get((deed.who, deed.spot))
        if live is not None and self.world.now < live.ends - timedelta(minutes=1):
            self._unlock(deed, live)
        else:
            self.sign_in(deed.who, deed.spot, deed.misuse, mistyped=self._mistyped(deed))
        return self._live.get((deed.who, deed.spot))

    def _mistyped(self, deed: Deed) -> int:
        """Return how often somebody mistypes now: mostly never, rarely until they nearly give up."""
        if deed.misuse is not None:
            return 0
        chance = self._random.random()
        return 0 if chance > 0.06 else 1 if chance > 0.012 else 2 if chance > 0.003 else 4

    def _unlock(self, deed: Deed, live: _Live) -> None:
        """Wake a session by the password, now and then by a wrong one first."""

        def one(work: Work) -> Visit:
            return self.visit(live.session, UNLOCK, work, deed.spot.address, deed.misuse)

        prepared = one(PrepareUnlock())
        if isinstance(prepared.outcome, Visited):
            hashed = prepared.outcome.answer.payload
            slept = self.world.now - live.seen
            if deed.misuse is None and self._random.random() < 0.04:
                one(Unlock(hashed, False))
            otp = self._otp(deed.who) if slept > OTP_AGAIN_AFTER - timedelta(minutes=2) else None
            prepared = one(Unlock(hashed, True, otp))
        if isinstance(prepared.outcome, CaretrailError):
            self._live.pop((deed.who, deed.spot))
            self._surprise(prepared)
            return
        live.seen = self.world.now

    def _otp(self, who: Member) -> str:
        """Return a code; after two within half a minute people wait for the next."""
        step = int(self.world.now.timestamp()) // 30
        if who.person.last_step > step:
            self.at(self.world.now + timedelta(seconds=30 * (who.person.last_step - step)))
        return self.world.otp(who.person)

    def visit(
        self, session: Session, row: Operation, work: Work, address: str, misuse: Misuse | None = None
    ) -> Visit:
        """Serve one visit now, and note its entry for the misuse it belongs to."""
        visit = Visit(session, row, work, address=address)
        self.world.turn.serve([visit])
        if misuse is not None:
            misuse.left(visit)
        return visit

    def sign_in(
        self,
        who: Member,
        spot: Spot,
        misuse: Misuse | None = None,
        *,
        mistyped: int = 0,
        expected: bool = False,
    ) -> bool:
        """Have somebody sign in, perhaps after wrong passwords; say whether they got in."""
        for _ in range(mistyped):
            self.attempt(who.person.username, spot, misuse, right=False)
            self.at(self.world.now + timedelta(seconds=self._random.uniform(6, 25)))
        visit = self.attempt(who.person.username, spot, misuse, right=True, who=who)
        signed_in = visit.outcome.answer.payload if isinstance(visit.outcome, Visited) else None
        if not isinstance(signed_in, SignedIn):  # refused, or slowed down by the throttle
            if not expected:
                self.surprises[f"auth.login: {getattr(visit.outcome, 'why', 'throttled')}"] += 1
            return False
        session = Session(signed_in.session_id, signed_in.org)
        idle = IDLE_FOR[spot.device.kind]
        self._live[(who, spot)] = _Live(session, self.world.now, signed_in.ends_at, idle)
        return True

    def attempt(
        self, username: str, spot: Spot, misuse: Misuse | None, *, right: bool, who: Member | None = None
    ) -> Visit:
        """Try a name and a password once; the verdict on the password is given, not computed."""
        reserved = Visit(Stranger(), SIGN_IN, ReserveSignIn(username), address=spot.address)
        self.world.turn.serve([reserved])
        assert isinstance(reserved.outcome, Visited), reserved.outcome
        reservation = reserved.outcome.answer.payload
        if reservation.held.refused:
            return reserved
        otp = self._otp(who) if who is not None and right else None
        visit = Visit(
            Stranger(), SIGN_IN, SignIn(reservation, right, otp, device=spot.device), address=spot.address
        )
        self.world.turn.serve([visit])
        if misuse is not None:
            misuse.left(visit)
        return visit

    def session(self, who: Member, spot: Spot, misuse: Misuse | None = None) -> Session | None:
        """Return a session somebody is awake in; None if they did not get in."""
        deed = Deed(self.world.now, who, spot, lambda _: never(), misuse)
        live = self._live.get((who, spot))
        if live is None or self._sleeps(live, deed):
            live = self._woken(deed)
        if live is None:
            return None
        live.seen = self.world.now
        return live.session

    def met(self, who: Member, spot: Spot, kept: Kept) -> None:
        """Have somebody open a record and be refused, because it is not the one the trail knows."""
        session = self.session(who, spot)
        if session is not None:
            work = ReadRecord(kept.resident.id, kept.id)
            self.visit(session, OPERATIONS[f"GET {RECORDS}/{{record_id}}"], work, spot.address)

    def put_out(self, member: Member) -> None:
        """Deactivate an account, as an operator does."""
        work = DeactivateAccount(member.person.id, "left")
        operator = System("cli", self.world.org)
        self.world.answer(work, "POST /v1/users/{user_id}/deactivate", operator)
        self.house.versions[member.person.id] += 1

    def fold(self) -> None:
        """Have the service tell the trail of attempts that the throttle refused."""
        self.world.answer(FoldThrottled(), FOLD_THROTTLED, System("throttle", SYSTEM))

    def leave(self, who: Member, spot: Spot) -> None:
        """Sign somebody out, if they are in."""
        live = self._live.pop((who, spot), None)
        if live is not None and self.world.now < live.ends:
            self.visit(live.session, SIGN_OUT, SignOut(), spot.address)

    def forget(self, who: Member, spot: Spot) -> None:
        """Leave a session behind as it is: the device is put down."""
        self._live.pop((who, spot), None)


def in_order(plan: Plan) -> Plan:
    """Return deeds in order of time; of one instant in the order in which they were planned."""
    return sorted(plan, key=lambda one: one.at)


def never() -> Asked:
    """Ask nothing: who is only woken presents nothing."""
    raise AssertionError
