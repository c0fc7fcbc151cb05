"""Idempotency: a changing call repeated with its key answers once more and changes nothing.

The answer is sealed under the caller's key and stored in the transaction of the change itself, so
that neither can be there without the other. The primary key of the row decides who was first. It is kept
for 24 hours, then housekeeping removes it.

Who repeats a call needs its permission now, too, and what the answer shows is looked at as it is now
(`Work.look_again`): who may not read it any more - somebody who moved to another home, a record entered in
error, an incident that is about the caller by now - is answered as if they asked for it, and of the rest they
are shown no more than now is theirs to see. An answer without a body shows nothing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Executable, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from app.access.opened import Opened, PendingChange
from app.access.operation import Operation
from app.access.work import Answer, Work
from app.core.clock import parse, spell
from app.core.errors import CaretrailError, IdempotencyKeyReusedError, NotFoundError
from app.identity.rows import StoredRow
from app.identity.table import idempotency
from app.vault.sealing import DataKey, Place

FORGET_ANSWERS = Operation("*", "*", "system", "self", "idempotency.forget", 200)
KEEP_FOR = timedelta(hours=24)
MOST_FORGOTTEN = 256
"""Answers of one turn of housekeeping (about 20 ms)."""
_TOLD_AGAIN = ("version", "category", "homes")
"""What the entry of a repeated call says, as the first one did, beside whom and what it is about."""
_c = idempotency.c
_EMPTY = (
    update(idempotency)
    .where(_c.org == bindparam("of"), _c.subject == bindparam("about"), _c.answer != b"")
    .values(answer=b"")
)
_KEY = {f"its_{column.name}": column for column in idempotency.primary_key}
_OUTDATED = (
    select(*(column.label(name) for name, column in _KEY.items()))
    .where(_c.made_at <= bindparam("outdated"))
    .order_by(_c.made_at)
    .limit(MOST_FORGOTTEN)
    .with_for_update(skip_locked=True)  # whoever uses such a key again, or another process, has the row
)
_REMOVE = delete(idempotency).where(*(column == bindparam(name) for name, column in _KEY.items()))


def fresh(stored: StoredRow, at: datetime) -> StoredRow | None:
    """Return a stored answer while it is kept; an older one is replaced by the next use of its key."""
    return stored if at - parse(stored.made_at) < KEEP_FOR else None


def replay(opened: Opened) -> Answer:
    """Return what of the stored answer the caller may be shown now, or that it is not for them.

    Raises:
        IdempotencyKeyReusedError: The request was another.
        NotFoundError: Whom it was about was erased.
    """
    stored: StoredRow = opened.facts.stored
    repeat = opened.visit.repeat
    if repeat is None or stored.request != repeat.request:
        raise IdempotencyKeyReusedError
    if not stored.answer:
        raise NotFoundError(why="erased")  # whom it was about was erased, and the answer with them
    kept = _key(opened).unseal_json(stored.answer, _place(opened))
    assert isinstance(kept, dict)  # noqa: S101 - `remember` stored it
    note = opened.note
    if kept["object"] is not None:
        note.object = (kept["object"][0], kept["object"][1])
    try:
        shown = look(opened, kept["payload"])
    except CaretrailError as refused:
        if refused.status >= 500:
            raise
        return Answer(refusal=refused)  # its entry names what was not shown, as that of a refused read does
    note.subs = list(kept["subs"])
    for name, told in kept.get("told", {}).items():  # an older version of this service kept none
        setattr(note, name, told)
    return Answer(shown, stored.status, kept["version"])


def look(opened: Opened, told: Any) -> Any:
    """Return what of the body of a stored answer may be shown now; nothing is no more than it was."""
    return None if told is None else opened.visit.work.look_again(opened, told)


def remember(opened: Opened, answer: Answer) -> PendingChange:
    """Return the write that keeps an answer. It misses when the key was used in the meantime."""
    visit = opened.visit
    assert visit.repeat is not None  # noqa: S101 - the turn asked because there is a key
    kept = {
        "payload": answer.payload if answer.replay is None else answer.replay,
        "version": answer.version,
        "subs": opened.note.subs,
        "object": opened.note.object,
        "told": {name: getattr(opened.note, name) for name in _TOLD_AGAIN},
    }
    row = {
        "org": opened.org,
        "user_id": opened.agent.id,
        "route": visit.operation.route,
        "key": visit.repeat.key,
        "request": visit.repeat.request,
        "status": answer.status or visit.operation.success,
        "answer": _key(opened).seal_json(kept, _place(opened)),
        "made_at": spell(opened.at),
        "subject": opened.note.subs[0] if opened.note.subs else None,
        "stale": spell(opened.at - KEEP_FOR),
    }
    dialect = opened.connection().dialect.name
    return PendingChange(_REMEMBER[dialect], row)


def forget_answers(opened: Opened, resident: str) -> None:
    """Empty the stored answers about a resident.

    The rows stay while they are kept: a repeated call still changes nothing, and is answered 404.
    """
    opened.execute(_EMPTY, {"of": opened.org, "about": resident})


@dataclass
class ForgetOutdated(Work):
    """Remove answers that are kept no longer, of every organisation, the oldest first."""

    own_sql = True
    silent = True

    def perform(self, opened: Opened) -> Answer:
        """Return how many went; there may be more when they are `MOST_FORGOTTEN`."""
        old = opened.execute(_OUTDATED, {"outdated": spell(opened.at - KEEP_FOR)}).all()
        if old:
            opened.execute(_REMOVE, [dict(row._mapping) for row in old])
        return Answer(len(old))


def _key(opened: Opened) -> DataKey:
    account = opened.facts.account
    return opened.person_key(account.id, account.wrapped_key)


def _place(opened: Opened) -> Place:
    repeat = opened.visit.repeat
    row = f"{opened.visit.operation.route} {repeat.key if repeat else ''}"
    return Place(opened.org, opened.agent.id, row, "answer", 0)


def _remember(dialect: Any) -> Executable:
    statement = dialect.insert(idempotency)
    new = {name: statement.excluded[name] for name in ("request", "status", "answer", "made_at", "subject")}
    columns: dict[str, Any] = {c.name: bindparam(c.name) for c in idempotency.columns}
    remembered: Executable = statement.values(**columns).on_conflict_do_update(
        index_elements=["org", "user_id", "route", "key"],
        set_=new,
        where=idempotency.c.made_at <= bindparam("stale"),
    )
    return remembered


_REMEMBER = {"postgresql": _remember(postgresql), "sqlite": _remember(sqlite)}
