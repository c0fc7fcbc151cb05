"""From a step of a history to the work a caller presents at the door."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from app.access.visit import Credential, Session, Stranger
from app.access.work import Refused, Work
from app.core.errors import InvalidRequestError
from app.identity.accounts import AmendAccount, DeactivateAccount, ReactivateAccount
from app.identity.directory import ListAccounts, ListRoles, ReadAccount, ReadMe
from app.identity.ending import EndSession, ListSessions
from app.identity.homes import ListHomes, OpenHome
from app.identity.new_accounts import CreateAccount
from app.identity.own_session import LockSession, PrepareUnlock, ReadSession, SignOut, StepUp, Unlock
from app.identity.shift_rows import NewShift
from app.identity.shifts import AmendShift, CancelShift, CreateShift, ListShifts
from app.identity.signing_in import Reservation, ReserveSignIn, SignIn
from app.residents.admission import AdmitResident
from app.residents.amending import AmendResident
from app.residents.correcting import AmendRecord, RemoveRecord
from app.residents.leaving import DischargeResident, RemoveResident
from app.residents.recording import MakeRecord
from app.residents.records import ListRecords, ListVersions, ReadRecord
from app.residents.register import ListResidents, ReadResident, SearchResidents
from tests.support.cast import body_of
from tests.support.histories import Ref, Step
from tests.support.world import Person

NOWHERE = "0190a000-0000-7000-8000-0000000000ff"
RESIDENT = "/v1/residents/{resident_id}"
RECORDS = RESIDENT + "/records"
RECORD = RECORDS + "/{record_id}"
USER = "/v1/users/{user_id}"


class Looks(Protocol):
    """What a step has to know about the world it is played in."""

    def id(self, ref: Ref | None) -> str:
        """Return an id, or `NOWHERE` for what is not there yet."""
        ...

    def version(self, ref: Ref | None) -> int:
        """Return the newest version somebody was told of."""
        ...

    def otp(self, person: Person, *, right: bool) -> str:
        """Return the present code of an authenticator, or another."""
        ...

    def day(self, **by: float) -> str:
        """Return an instant from now on."""
        ...


class Line(NamedTuple):
    """What is presented: a work, and the operation it is presented for."""

    work: Work
    operation: str
    credential: Credential | None = None
    reason: str | None = None


def _resident_of(ref: Ref | None) -> Ref | None:
    return ref.resident if ref is not None else None


def _read_record(step: Step, look: Looks) -> Line:
    ids = look.id(_resident_of(step.about)), look.id(step.about)
    return Line(ReadRecord(*ids, step.more["with_deleted"]), f"GET {RECORD}")


def _list_versions(step: Step, look: Looks) -> Line:
    ids = look.id(_resident_of(step.about)), look.id(step.about)
    return Line(ListVersions(*ids, None, step.more["with_deleted"]), f"GET {RECORD}/versions")


def _list_records(step: Step, look: Looks) -> Line:
    more = step.more
    work = ListRecords(look.id(step.about), more["category"], None, None, more["limit"], None)
    return Line(work, f"GET {RECORDS}")


def _make_record(step: Step, look: Looks) -> Line:
    category = step.more["category"]
    work = MakeRecord(
        look.id(step.about), category, look.day(minutes=-5), body_of(category, step.more["word"])
    )
    return Line(work, f"POST {RECORDS}")


def _amend_record(step: Step, look: Looks) -> Line:
    body = body_of(step.more["category"], step.more["word"])
    ids = look.id(_resident_of(step.about)), look.id(step.about)
    was = look.version(step.about) - step.more["behind"]
    return Line(AmendRecord(*ids, was, look.day(minutes=-5), body, "it was wrong"), f"PUT {RECORD}")


def _remove_record(step: Step, look: Looks) -> Line:
    ids = look.id(_resident_of(step.about)), look.id(step.about)
    was = look.version(step.about) - step.more["behind"]
    return Line(RemoveRecord(*ids, was), f"DELETE {RECORD}", reason="wrong resident")


def _admit(step: Step, look: Looks) -> Line:
    more = step.more
    identity = {"given_name": more["word"], "family_name": more["word"]}
    identifiers = {"date_of_birth": "1941-02-03", "nhs_number": more["nhs_number"]}
    work = AdmitResident(more["home_id"], more["unit"], more["word"], identity, identifiers, "2026-01-01")
    return Line(work, "POST /v1/residents")


def _amend_resident(step: Step, look: Looks) -> Line:
    was = look.version(step.about) - step.more["behind"]
    return Line(AmendResident(look.id(step.about), was, step.more["patch"]), f"PATCH {RESIDENT}")


def _remove_resident(step: Step, look: Looks) -> Line:
    was = look.version(step.about) - step.more["behind"]
    return Line(RemoveResident(look.id(step.about), was), f"DELETE {RESIDENT}", reason="entered twice")


def _create_user(step: Step, look: Looks) -> Line:
    more = step.more
    kind: Any = "agency" if more["role"].startswith("agency") else "staff"
    home = None if more["role"] == "registered_manager" else more["home_id"]
    assignments = [{"role": more["role"], "home_id": home}]
    work = CreateAccount(more["name"], f"Name of {more['name']}", kind, assignments, "no hash", "shown once")
    return Line(work, "POST /v1/users")


def _amend_user(step: Step, look: Looks) -> Line:
    assignments = [{"role": step.more["role"], "home_id": step.more["home_id"]}]
    work = AmendAccount(look.id(step.about), look.version(step.about), None, assignments)
    return Line(work, f"PATCH {USER}")


def _create_shift(step: Step, look: Looks) -> Line:
    when = NewShift(look.day(hours=1), look.day(hours=9), None)
    work = CreateShift(look.id(step.about), step.more["home_id"], step.more["role"], when)
    return Line(work, f"POST {USER}/shifts")


def _shift(step: Step, look: Looks) -> tuple[str, str]:
    return look.id(step.about.owner if step.about else None), look.id(step.about)


_BUILDERS: dict[str, Callable[[Step, Looks], Line]] = {
    "read resident": lambda s, look: Line(ReadResident(look.id(s.about)), f"GET {RESIDENT}"),
    "list residents": lambda s, _: Line(
        ListResidents(s.more["home_id"], None, s.more["limit"], None), "GET /v1/residents"
    ),
    "search": lambda s, _: Line(SearchResidents(**s.more), "POST /v1/residents/search"),
    "read record": _read_record,
    "list records": _list_records,
    "list versions": _list_versions,
    "read me": lambda _s, _: Line(ReadMe(), "GET /v1/users/me"),
    "list homes": lambda _s, _: Line(ListHomes(), "GET /v1/homes"),
    "list users": lambda _s, _: Line(ListAccounts(), "GET /v1/users"),
    "read user": lambda s, look: Line(ReadAccount(look.id(s.about)), f"GET {USER}"),
    "list roles": lambda _s, _: Line(ListRoles(), "GET /v1/roles"),
    "read session": lambda _s, _: Line(ReadSession(), "GET /v1/sessions/current"),
    "list sessions": lambda s, look: Line(ListSessions(look.id(s.about)), "GET /v1/sessions"),
    "list shifts": lambda s, look: Line(ListShifts(look.id(s.about), 50, None), f"GET {USER}/shifts"),
    "make record": _make_record,
    "amend record": _amend_record,
    "remove record": _remove_record,
    "admit": _admit,
    "amend resident": _amend_resident,
    "discharge": lambda s, look: Line(
        DischargeResident(look.id(s.about), "2026-03-01", s.more["reason"]), f"POST {RESIDENT}/discharge"
    ),
    "remove resident": _remove_resident,
    "open home": lambda s, _: Line(OpenHome(s.more["name"], None, None), "POST /v1/homes"),
    "lock": lambda _s, _: Line(LockSession(), "POST /v1/sessions/current/lock"),
    "unlock": lambda _s, _: Line(PrepareUnlock(), "POST /v1/sessions/current/unlock"),
    "sign out": lambda _s, _: Line(SignOut(), "DELETE /v1/sessions/current"),
    "end session": lambda s, look: Line(EndSession(look.id(s.about)), "DELETE /v1/sessions/{session_id}"),
    "create user": _create_user,
    "amend user": _amend_user,
    "deactivate": lambda s, look: Line(
        DeactivateAccount(look.id(s.about), "left"), f"POST {USER}/deactivate"
    ),
    "reactivate": lambda s, look: Line(
        ReactivateAccount(look.id(s.about), "back"), f"POST {USER}/reactivate"
    ),
    "create shift": _create_shift,
    "amend shift": lambda s, look: Line(
        AmendShift(*_shift(s, look), None, look.day(hours=5)), f"PATCH {USER}/shifts/{{shift_id}}"
    ),
    "cancel shift": lambda s, look: Line(CancelShift(*_shift(s, look)), f"DELETE {USER}/shifts/{{shift_id}}"),
    "bad input": lambda _s, _: Line(
        Refused(InvalidRequestError(("/body", "Must be an object."))), "POST /v1/residents"
    ),
    "unknown token": lambda _s, _: Line(ReadMe(), "GET /v1/users/me", Session(NOWHERE, NOWHERE)),
}


@dataclass(frozen=True)
class Part:
    """Whom a step belongs to."""

    person: Person
    stranger_name: str = "nobody.knows.me"


def line_of(step: Step, part: Part, look: Looks) -> Line:
    """Return what a step presents first."""
    if step.kind == "sign in":
        name = part.person.username if step.more["known"] else part.stranger_name
        return Line(ReserveSignIn(name), "POST /v1/sessions", Stranger())
    if step.kind == "step up":
        code = look.otp(part.person, right=step.more["right"])
        return Line(StepUp(code), "POST /v1/sessions/current/step-up")
    return _BUILDERS[step.kind](step, look)


def second_line_of(step: Step, part: Part, told: Any, look: Looks) -> Line | None:
    """Return what a step presents after its first answer, around the check of a password."""
    if step.kind == "unlock":
        right = step.more["right"]
        otp = look.otp(part.person, right=right)
        return Line(Unlock(told, right, otp), "POST /v1/sessions/current/unlock")
    if step.kind != "sign in":
        return None
    reservation: Reservation = told
    if reservation.held.refused:
        return None
    right = step.more["right"]
    otp = look.otp(part.person, right=right)
    return Line(SignIn(reservation, right, otp), "POST /v1/sessions", Stranger())


def once_more(line: Line) -> Line:
    """Return the same request again."""
    return line._replace(work=replace(line.work))  # type: ignore[type-var]  # every work is a dataclass
