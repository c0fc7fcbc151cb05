"""Names of people in the trail: from the identity entries of the chain, never from today's accounts.

A line names its actor by id and by the number of the identity entry that was in force. The name
itself is sealed beside that entry under the person's own key; when the key is gone, so is the name,
and the trail still verifies.
"""

import logging
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row, Select, bindparam, select

from app.access.drafting import NAME_SALT_BYTES, beside
from app.access.opened import Opened
from app.audit import table as trail
from app.core.errors import SealBrokenError
from app.identity.table import account

logger = logging.getLogger(__name__)


class KeptName(NamedTuple):
    """A name as an identity entry holds it: SHA-256(salt || name) stands in the line."""

    seq: int
    user_id: str
    salt: bytes
    name: str


_name = trail.name.c
_SEALED: Select[Any] = (
    select(_name.seq, _name.user_id, _name.ct, account.c.wrapped_key)
    .join_from(trail.name, account, (account.c.org == _name.org) & (account.c.id == _name.user_id))
    .where(_name.org == bindparam("org"))
)
_SOME = _SEALED.where(_name.seq.in_(bindparam("seqs", expanding=True))).order_by(_name.seq)
_RANGE = (
    _SEALED.where(_name.seq >= bindparam("start"), _name.seq < bindparam("end"))
    .order_by(_name.seq)
    .limit(bindparam("most"))
)


def names_of(opened: Opened, seqs: Collection[int]) -> dict[int, str]:
    """Return the names that identity entries hold, by their numbers; an erased one is not there."""
    return {kept.seq: kept.name for kept in names_at(opened, seqs)}


def names_at(opened: Opened, seqs: Collection[int]) -> list[KeptName]:
    """Return the names kept by some identity entries, in their order; an erased one is not there."""
    if not seqs:
        return []
    rows = opened.execute(_SOME, {"org": opened.org, "seqs": sorted(seqs)}).all()
    return _unsealed(opened, rows)


def names_between(opened: Opened, start: int, end: int, most: int) -> tuple[list[KeptName], int | None]:
    """Return the first names kept by the entries of a range, and where to go on; None at its end."""
    rows = opened.execute(_RANGE, {"org": opened.org, "start": start, "end": end, "most": most}).all()
    return _unsealed(opened, rows), rows[-1].seq + 1 if len(rows) == most else None


def _unsealed(opened: Opened, rows: Sequence[Row[Any]]) -> list[KeptName]:
    kept = []
    for row in rows:
        try:
            kept.append(_unseal(opened, row))
        except SealBrokenError:
            # Erased with its key, or damaged: either way there is no name. A list is not refused for it.
            logger.warning("name-not-opened", extra={"chain": opened.org, "seq": row.seq})
    return kept


def _unseal(opened: Opened, row: Row[Any]) -> KeptName:
    key = opened.person_key(row.user_id, row.wrapped_key)
    plain = key.unseal(row.ct, beside(opened.org, row.user_id, row.user_id, "name", 0, row.seq))
    return KeptName(row.seq, row.user_id, plain[:NAME_SALT_BYTES], plain[NAME_SALT_BYTES:].decode())
