"""The step of a drill that looks whether what ended after the backup ended in the restored database.

It takes the ledger's word and looks at the rows, whatever the recovery says it did. Of ledgers that were laid
aside it looks at residents and at accounts that stayed deactivated; for the rest the database decides.
"""

import contextlib
from collections.abc import Mapping
from typing import Any

from app.audit.ended_file import EndedFiles, Ledger, LedgerDamagedError, further, in_order
from app.commands.opening import open_view
from app.core.errors import StartRefusedError
from app.core.identifiers import SYSTEM
from app.core.settings import Settings
from app.identity.ended_again import VOID
from app.storage.snapshot import Snapshot

_ERASED = "SELECT count(*) FROM resident WHERE org = ? AND id = ? AND length(wrapped_key) > 0"
_ACTIVE = "SELECT count(*) FROM account WHERE org = ? AND id = ? AND active = true"
_PASSWORD = f"SELECT count(*) FROM account WHERE org = ? AND id = ? AND password_hash <> '{VOID}'"
_CODES = "SELECT count(*) FROM account_recovery_code WHERE org = ? AND user_id = ? AND used_at IS NULL"
_SHIFT = "SELECT count(*) FROM shift WHERE org = ? AND id = ? AND cancelled = false"
_SESSIONS = "SELECT count(*) FROM session WHERE org = ? AND ended_at IS NULL"
_LEFT = {
    "erased": _ERASED,
    "ended": _ACTIVE,
    "assignments": _ACTIVE,
    "credentials": _PASSWORD,
    "code": _CODES,
    "shift": _SHIFT,
}
_COUNTED = ("erased", "shifts_cancelled", "codes_used_up", "sessions_ended")
Lost = dict[str, list[dict[str, Any]]]


def lost_lines(files: EndedFiles, chains: Mapping[str, Any]) -> Lost:
    """Return what ended after a backup, by chain, from the ledger and from those that were laid aside.

    Raises:
        StartRefusedError: The ledger of a chain is missing.
        LedgerDamagedError: It is not what was signed.
    """
    lost: Lost = {}
    for org, head in chains.items():
        if org == SYSTEM:
            continue
        ledger = files.read(org)
        if ledger is None:
            raise StartRefusedError(f"the ledger of what ended in the chain {org} is missing: {files.folder}")
        lost[org] = [one for one in ledger.lines if one["seq"] >= head["size"]]
        lost[org] += _of_earlier(_trusted(files, org), ledger)
    return lost


def _trusted(files: EndedFiles, org: str) -> list[Ledger]:
    found: list[Ledger] = []
    for aside in files.asides(org):
        with contextlib.suppress(LedgerDamagedError):  # for which it was laid aside, and derived again
            found += [ledger] if (ledger := aside.read(org)) is not None else []
    return found


def _of_earlier(earlier: list[Ledger], present: Ledger) -> list[dict[str, Any]]:
    """Return what ended for good in lines the present ledger has not, however the database goes on."""
    left = further(Ledger(present.reached, in_order(earlier)), [present])
    last = {one["id"]: one for one in in_order([*earlier, present]) if one["kind"] in ("ended", "returned")}
    gone = {one["id"]: last[one["id"]] for one in left if one["kind"] == "ended"}
    erased = [one for one in left if one["kind"] == "erased"]
    return erased + [one for one in gone.values() if one["kind"] == "ended"]


def check_ended(place: Settings, lost: Lost, told: list[dict[str, Any]]) -> dict[str, int]:
    """Look that nothing of what ended is there; return what the recovery did, in numbers.

    Raises:
        StartRefusedError: Something came back with the backup, or the ledger did not reach far enough.
    """
    for one in told:
        if not one["complete"]:
            raise StartRefusedError(f"the ledger of what ended in the chain {one['organisation']} is short")
    with open_view(place.database_url.get_secret_value()) as view:
        for org in {one["organisation"] for one in told}:
            _look(view, org, lost.get(org, []))
    done = {name: sum(one[name] for one in told) for name in _COUNTED}
    accounts = sum(len(one["deactivated"]) + len(one["to_be_let_back_in"]) for one in told)
    return done | {"accounts": accounts, "ledger_lines": sum(len(lines) for lines in lost.values())}


def _look(view: Snapshot, org: str, lines: list[dict[str, Any]]) -> None:
    returned = {one["id"]: one["seq"] for one in lines if one["kind"] == "returned"}
    for one in lines:
        if one["kind"] == "ended" and returned.get(one["id"], -1) > one["seq"]:
            continue
        statement = _LEFT.get(one["kind"])
        if statement is not None and _count(view, statement, org, one["id"]):
            raise StartRefusedError(
                f"line {one['seq']} of {org} ended something that is back ({one['kind']})"
            )
    if _count(view, _SESSIONS, org):
        raise StartRefusedError(f"a session of {org} goes on after the restore")


def _count(view: Snapshot, statement: str, *parameters: str) -> int:
    return sum(int(count) for batch in view.rows(statement, *parameters) for (count,) in batch)
