"""The guard on our engine: no statement runs unless the door let its connection pass.

It sits at the engine's last step before the driver (`before_cursor_execute`), so that Core,
textual SQL and `exec_driver_sql` meet it alike. It is a fence against mistakes and short cuts.
Against someone who changes the code or opens the database file stand the vault, the chain and
the checkpoints kept elsewhere.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event

_PASS = "caretrail.pass"  # noqa: S105 - a slot on the connection, not a password
_READING = "caretrail.reading"


class UnauditedStatementError(RuntimeError):
    """A statement was tried outside the door. A defect in this code, never the caller's fault."""


def fence(engine: Engine) -> None:
    """Refuse every statement on `engine` whose connection carries no pass."""

    @event.listens_for(engine, "before_cursor_execute")
    def refuse(
        connection: Connection, _cursor: Any, statement: str, _parameters: Any, _context: Any, _many: bool
    ) -> None:
        info = connection.info
        if info.get(_PASS) is None:
            raise UnauditedStatementError(f"no receipt for this statement: {statement[:60]}")
        if info.get(_READING) and not statement.lstrip().startswith("SELECT"):
            raise UnauditedStatementError(f"no transaction for this statement: {statement[:60]}")


@contextmanager
def carrying(connection: Connection, receipt: object) -> Iterator[None]:
    """Let statements run on `connection` while the block lasts, on the strength of `receipt`."""
    info = connection.info  # taken once: asked again, a connection lost meanwhile would raise over its error
    before = info.get(_PASS)
    info[_PASS] = receipt
    try:
        yield
    finally:
        info[_PASS] = before


def reading_only(info: dict[Any, Any], yes: bool) -> None:
    """Let nothing but SELECT run from here on, or again all: outside a transaction a write stands alone.

    Args:
        info: Of the connection, taken while it was in order.
        yes: Whether only SELECT may run.
    """
    info[_READING] = yes
