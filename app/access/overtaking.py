"""What others entered into a chain after a turn gathered its facts, and before it held the chain.

Several processes decide at the same time, each from facts it gathered without a lock. Whoever ends a session,
an account or a shift, or moves a resident, makes an entry; so the entries that came between tell whether a
decision still stands. Where one of them may have changed whom it was about, the turn is taken back and done
again. Thus no act of a session stands behind the entry that ended it, as little as with one process.

Source: promise P7.
"""

from collections.abc import Iterable, Sequence, Set
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection

from app.access.attempt import Attempt
from app.access.operations import OPERATIONS
from app.audit import log, stored
from app.audit.entry import Draft, Stamp
from app.audit.stored import HeadRow

MOST_BETWEEN = 2_000
"""More lines than these are not read with a chain held: the turn is done again."""
_LOOKS = frozenset(row.act for row in OPERATIONS.values() if row.method == "GET") | {"resident.search"}
_OTHER_FAMILIES = frozenset({"record", "audit", "alert", "webhook", "detection", "import", "jobs", "backup"})
"""How acts begin that change nobody's session, account, shift or place."""
_HIDES = "record.delete"
"""The one act of those that ends what may be read: the record it names."""
_OF_ALL = frozenset({"role", "incident", "identity", "retention"})
"""How acts begin whose entry does not name everybody whom it may concern: of an organisation's rules, say."""
_OF_SESSIONS = "auth"


class OvertakenError(RuntimeError):
    """Something the turn decided by was changed by another process before it was recorded: do it again."""


def append_unless_overtaken(
    connection: Connection, drafts: Sequence[Draft], at: datetime, attempts: Sequence[Attempt]
) -> list[Stamp]:
    """Append the entries of a turn with its chains held, if what it was decided by still stands.

    Args:
        connection: The turn's, in a transaction.
        drafts: The entries.
        at: The instant of the turn.
        attempts: As they were decided.

    Raises:
        OvertakenError: Roll back and do it again.
    """
    locked = log.locked_heads(connection, {one.org for one in drafts})
    _refuse_overtaken(connection, attempts, locked)
    return log.append_to(connection, drafts, at, locked)


def _refuse_overtaken(connection: Connection, attempts: Sequence[Attempt], locked: Sequence[HeadRow]) -> None:
    gathered = {a.facts.head.org: a.facts.head.size for a in attempts if a.facts.head is not None}
    for head in locked:
        since = gathered.get(head.org, head.size)
        if head.size - since > MOST_BETWEEN:
            raise OvertakenError("many entries came between")
        if head.size > since:
            ids = _decided_by(attempts, head.org)
            if any(_may_concern(line, ids) for line in stored.lines(connection, head.org, since, head.size)):
                raise OvertakenError("an entry that came between may have changed what was decided by")


def _decided_by(attempts: Iterable[Attempt], org: str) -> set[bytes]:
    """Return the ids of the rows of one organisation that permission was decided by."""
    found: set[str] = set()
    for attempt in attempts:
        facts = attempt.facts
        if facts.session is not None and facts.session.org == org:
            found |= {facts.session.id, facts.session.user_id, facts.session.shift_id or facts.session.id}
        found |= {row.id for row in (facts.resident, facts.record) if row is not None and row.org == org}
    return {one.encode() for one in found}


def _may_concern(line: bytes, ids: Set[bytes]) -> bool:
    event: dict[str, Any] = orjson.loads(line)["e"]
    act = event["act"]
    family = act.partition(".")[0]
    if act == _HIDES:
        # a refused one hid nothing, and may have named nothing
        return event["out"] == "ok" and event["obj"]["id"].encode() in ids
    if family in _OTHER_FAMILIES or act in _LOOKS:
        return False
    if family != _OF_SESSIONS:  # whom it is about, not who did it: one may do several things at once
        event = {name: told for name, told in event.items() if name not in ("actor", "sess")}
    told = orjson.dumps(event)
    return family in _OF_ALL or any(one in told for one in ids)
