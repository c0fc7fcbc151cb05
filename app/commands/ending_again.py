"""What ended after a backup ends again, before a database that was restored from it serves anybody.

Part of `caretrail audit recover`, without which nothing starts on such a database, however it came back: the
guard tells of more lines than it has, or there is no guard that could tell. The loss is recorded, then what
the ledger says is done again, then the guard begins anew. Broken off anywhere in between, the start is
refused as before, and the next recovery does again what is not done: everything here may be done twice.

The ledgers of histories that were given up are read, too: the backup may be of one of them. They come first,
so that the present one has the last word, and so has the database about what was settled in it.

Nobody can say what stood in lines that no ledger covers. That is said, here and in the entry; then every
recovery code is void. Where only the guard is lost, and a ledger covers all that was signed and is what the
database has, no line is lost: nobody's account is touched.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection

from app.access.operation import Operation
from app.access.work import Work
from app.audit import stored
from app.audit.checkpoint import newest
from app.audit.divergence import Divergence
from app.audit.ended_file import Ledger, in_order
from app.commands.calling import present
from app.commands.ended_ledgers import ledgers_of, place_of, recorded, unsettled
from app.core.errors import SealBrokenError
from app.core.identifiers import SYSTEM
from app.identity.ended_again import (
    BECAME,
    CANCEL,
    SETTLE,
    SUSPEND,
    CancelAgain,
    EndAgain,
    Settle,
    UnderWay,
)
from app.main import Service
from app.residents.reapplying import Erased, erased_of, reapply
from app.storage.guard import carrying

COMMAND = "caretrail audit recover"
_ALTERED = "altered"


class Plan(NamedTuple):
    """What is to be done again in one chain.

    Attributes:
        org: The chain.
        lost: The ledger's lines of which the database knows nothing.
        asked: When an erasure was asked for, as far as the ledger knows.
        how: What became of the chain, in a word.
        reached: How far the ledger reaches; None where there is none that counts.
        guard: How far the guard reaches; None where there is none that counts.
        kept: How many lines the database has.
        whole: A ledger covers all that was signed, and the database has it: no line is lost.
        told: In sentences.
    """

    org: str
    lost: list[dict[str, Any]]
    asked: dict[str, str]
    how: str
    reached: int | None
    guard: int | None
    kept: int
    whole: bool
    told: list[str]

    @property
    def complete(self) -> bool:
        """Say whether the ledger covers all that the guard knows, or without a guard the database."""
        wanted = self.guard if self.guard is not None else self.kept
        return self.whole or (self.reached is not None and self.reached >= wanted)

    @property
    def known(self) -> int:
        """Return up to which line it is known what ended; the lines of another history tell nothing."""
        return max(self.reached or 0, 0 if self.how == "fork" else self.kept)


def plans(service: Service, found: list[Divergence]) -> list[Plan]:
    """Return what is to be done again in each chain that was set back, from the better of the ledgers."""
    with service.engine.connect() as connection, carrying(connection, "recover"):
        return [
            _plan(connection, service, one, one.size)
            for one in found
            if one.size is not None and one.org != SYSTEM  # nobody's account is there
        ]


def _plan(connection: Connection, service: Service, found: Divergence, kept: int) -> Plan:
    # The guard moves after the ledger beside it, so that one is of its history. Another may be of one that
    # was given up before: its length tells nothing, but what ended there ended, and is done again, too.
    read, earlier, told = ledgers_of(service, found.org)
    best, where = read[0] if read else (None, "")
    guard = found.orphan.size if found.orphan is not None else None
    newest_last = [ledger for ledger, _ in reversed(read)]
    here = [recorded(connection, found.org, kept)] if earlier else []
    lines = in_order([*earlier, *here, *newest_last])
    known = {place_of(one) for one in lines if _known(connection, found.org, *place_of(one))}
    lost = unsettled(lines, known)
    asked = {one["id"]: one["at"] for one in lines if one["kind"] == "asked"}
    fits = [_fits(connection, found.org, kept, one) for one in newest_last]
    whole = guard is None and any(fits) and all(_within(one, kept, known) for one in newest_last)
    if whole:
        lost = [one for one in lost if one["kind"] == "erased"]
    reached = best.reached.size if best else None
    plan = Plan(found.org, lost, asked, found.how, reached, guard, kept, whole, told)
    told.append(_advice(plan, where))
    return plan


def _within(ledger: Ledger, kept: int, known: set[tuple[int, str]]) -> bool:
    return ledger.reached.size <= kept and all(place_of(one) in known for one in ledger.lines)


def _fits(connection: Connection, org: str, kept: int, ledger: Ledger) -> bool:
    """Say whether a ledger covers all of a chain that was ever signed, and is of this chain."""
    size, signed = ledger.reached.size, newest(connection, org)
    covered = 0 < size <= kept and (signed is None or signed.size <= size)
    return covered and _known(connection, org, size - 1, ledger.reached.leaf)


def _known(connection: Connection, org: str, seq: int, leaf: str) -> bool:
    there = stored.leaf_of(connection, org, seq)
    return there is not None and there.hex() == leaf


def _advice(plan: Plan, where: str) -> str:
    if plan.whole:
        return "a ledger covers all that was signed, and the database has it: nothing is lost but the guard"
    if plan.complete:
        return f"what ended in the lines that are lost is known by the one {where}; the other can only add"
    known = "the guard is lost as well" if plan.guard is None else f"the guard knew {plan.guard} lines"
    return (
        f"NOBODY KNOWS what ended after line {plan.known}: {known}. Erased residents and people who left may"
        " be back: go through both. If a copy of the folder `ended` is anywhere, put it back first. All"
        " recovery codes are void."
    )


# --- doing it -----------------------------------------------------------------------------------------


def end_again(service: Service, plan: Plan) -> dict[str, Any]:
    """Do again what ended; return how much that was.

    Raises:
        CaretrailError: It was refused or failed: what went before it is done.
    """
    org = plan.org
    erased = reapply(service.turn, _erased(plan))
    under_way = [] if plan.whole else present(service, org, SETTLE, UnderWay(), COMMAND)
    outcomes = {
        user: _tried(service, org, SUSPEND, work) for user, work in _accounts(plan, under_way).items()
    }
    became = {how: [user for user, one in outcomes.items() if one == how] for how in BECAME}
    shifts = {one["id"]: one["seq"] for one in plan.lost if one["kind"] == "shift"}
    cancelled = {one[0]: _tried(service, org, CANCEL, CancelAgain(*one)) for one in shifts.items()}
    codes = sorted({one["id"] for one in plan.lost if one["kind"] == "code"}) if plan.complete else None
    settled = present(service, org, SETTLE, Settle(codes, plan.reached), COMMAND)
    return {
        "organisation": org,
        "ledger_lines": plan.reached,
        "complete": plan.complete,
        "erased": erased,
        "deactivated": became["deactivated"],
        "to_be_let_back_in": became["suspended"],
        "offers_dropped": len(became["offer dropped"]),
        "shifts_cancelled": list(cancelled.values()).count(1),
        "altered": [row for row, one in (outcomes | cancelled).items() if one == _ALTERED],
        **{f"{name}_used_up": settled[name] for name in ("codes", "one_time_codes")},
        "sessions_ended": settled["sessions"],
    }


def _tried(service: Service, org: str, asked: Operation, work: Work) -> Any:
    """Return what became of a row. One that was changed behind the service's back opens nothing anyway."""
    try:
        return present(service, org, asked, work, COMMAND)
    except SealBrokenError:
        return _ALTERED


def _erased(plan: Plan) -> list[Erased]:
    lines = [one for one in plan.lost if one["kind"] == "erased"]
    return [erased_of(plan.org, one, plan.asked.get(one["erasure"])) for one in lines]


def _accounts(plan: Plan, under_way: list[str]) -> Mapping[str, EndAgain]:
    """Return what is to be taken from which account, by the order of the lost lines."""
    works = {user: EndAgain(user) for user in under_way}
    for one in plan.lost:
        if one["kind"] in ("ended", "returned", "credentials", "assignments"):
            work = works.setdefault(one["id"], EndAgain(one["id"]))
            work.again = one["seq"]
            if one["kind"] in ("ended", "returned"):
                work.ended = one["kind"] == "ended"
            else:
                setattr(work, one["kind"], True)
    return dict(sorted(works.items()))


def words(told: dict[str, Any]) -> str:
    """Return what was done again, for the operator."""
    lines = [
        f"chain {told['organisation']}: {told['erased']} residents erased again,"
        f" {len(told['deactivated'])} accounts deactivated again, {told['shifts_cancelled']} shifts withdrawn"
        f" again, {told['sessions_ended']} sessions ended"
    ]
    if told["altered"]:
        lines.append(
            "  changed behind the service's back, so that nobody can use them (see `caretrail audit verify"
            " --state`): " + ", ".join(told["altered"])
        )
    waiting = told["to_be_let_back_in"]
    if waiting:
        lines.append(
            f"  {len(waiting)} accounts are inactive: what they sign in with, or what they may do, changed"
            " after the backup. A manager lets them back in (reactivate) after a look at their roles; who"
            " changed a password or an authenticator, or never used a first password, gets a new one:"
            " `caretrail users reset --username ID --reason ...`. It works when nobody can sign in.\n  "
            + "\n  ".join(waiting)
        )
    return "\n".join(lines)
