"""Using a second factor: a one-time code or a recovery code, each exactly once.

The conditional write decides who was first, not what was read before it: two attempts with one code, in
two processes at once, find one row to change between them.

Source: FACTOR-1 (ASVS 5.0 6.5.1, 6.5.5).
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Executable, bindparam, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from app.access.opened import Opened
from app.core.clock import spell
from app.core.errors import OtpRequiredError
from app.identity.account_rows import Private
from app.identity.rows import AccountRow
from app.identity.table import one_time, recovery_code
from app.identity.totp import new_recovery_codes, recovery_digest, step_of
from app.vault.sealing import DataKey

RECOVERY_CODE = "recovery-code"
"""In the entry of a sign-in that used one up, also where it was refused afterwards."""

_LAST_STEP = select(one_time.c.otp_step).where(
    one_time.c.org == bindparam("of"), one_time.c.user_id == bindparam("whose")
)
_WHOSE = (recovery_code.c.org == bindparam("of"), recovery_code.c.user_id == bindparam("whose"))
_USE_CODE = (
    update(recovery_code)
    .where(*_WHOSE, recovery_code.c.code == bindparam("given"), recovery_code.c.used_at.is_(None))
    .values(used_at=bindparam("at"))
)
_DROP_CODES = delete(recovery_code).where(*_WHOSE)
_ADD_CODES = insert(recovery_code)


def use_second_factor(
    opened: Opened, row: AccountRow, key: DataKey, private: Private, otp: str | None, recovery: str | None
) -> datetime | None:
    """Use up the code given and return the instant of it; None when no second factor is enrolled.

    Raises:
        OtpRequiredError: `why` says whether a code is missing, wrong or used before.
    """
    if private.secret is None:
        return None
    if otp is not None:
        if not use_otp(opened, row, private.secret, otp):
            raise OtpRequiredError(why="otp-wrong")
    elif recovery is not None:
        if not _use_recovery_code(opened, row, key, recovery):
            raise OtpRequiredError(why="recovery-code-wrong")
        opened.note.members["factor"] = RECOVERY_CODE  # a restore has to know it again
    else:
        raise OtpRequiredError(why="otp-missing")
    return opened.at


def use_otp(opened: Opened, row: AccountRow, secret: str, otp: str) -> bool:
    """Use up a one-time code; say whether it was right and new."""
    last = opened.execute(_LAST_STEP, {"of": row.org, "whose": row.id}).scalar()
    step = step_of(secret, otp, opened.at, last)
    return step is not None and note_step(opened, row, step)


def note_step(opened: Opened, row: AccountRow, step: int) -> bool:
    """Note a step as used; say whether it is newer than any before."""
    statement = _USE_STEP[opened.connection().dialect.name]
    used = opened.execute(statement, {"org": row.org, "user_id": row.id, "otp_step": step})
    return used.rowcount == 1


def begin_steps(opened: Opened, row: AccountRow, step: int) -> None:
    """Note the first step of a new secret, whatever was used of the one before.

    Its steps may lie far ahead, where the clock was: no code of the new secret would fit until that hour.
    """
    statement = _FIRST_STEP[opened.connection().dialect.name]
    opened.execute(statement, {"org": row.org, "user_id": row.id, "otp_step": step})


def issue_recovery_codes(opened: Opened, row: AccountRow, key: DataKey) -> list[str]:
    """Return ten new recovery codes; the old ones open nothing any more."""
    codes = new_recovery_codes(opened.entropy)
    opened.execute(_DROP_CODES, {"of": row.org, "whose": row.id})
    opened.execute(
        _ADD_CODES,
        [{"org": row.org, "user_id": row.id, "code": _digest(key, code), "used_at": None} for code in codes],
    )
    return codes


def _use_recovery_code(opened: Opened, row: AccountRow, key: DataKey, given: str) -> bool:
    where = {"of": row.org, "whose": row.id, "given": _digest(key, given), "at": spell(opened.at)}
    return opened.execute(_USE_CODE, where).rowcount == 1


def _digest(key: DataKey, code: str) -> bytes:
    return bytes.fromhex(recovery_digest(code, key.derive("caretrail/v1 recovery code")))


def _note_step(dialect: Any, *, rising: bool) -> Executable:
    statement = dialect.insert(one_time)
    noted: Executable = statement.values(
        **{c.name: bindparam(c.name) for c in one_time.columns}
    ).on_conflict_do_update(
        index_elements=["org", "user_id"],
        set_={"otp_step": statement.excluded.otp_step},
        where=one_time.c.otp_step < statement.excluded.otp_step if rising else None,
    )
    return noted


_DIALECTS: dict[str, Any] = {"postgresql": postgresql, "sqlite": sqlite}
_USE_STEP = {name: _note_step(dialect, rising=True) for name, dialect in _DIALECTS.items()}
_FIRST_STEP = {name: _note_step(dialect, rising=False) for name, dialect in _DIALECTS.items()}
