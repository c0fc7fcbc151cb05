"""A stream of alerts as a sequence of turns: its start, its looks, its end.

The start is an entry and says from where on. The looks add none, but each recognises the caller again, and
none of them is activity: a stream goes on for as long as its session is awake without it. The end is an entry
of its own.

Events stand in the order of the entries that tell of them. Who appends to a chain holds its head until the
commit, so whatever is seen at a number, everything before it is seen too: nothing slips in behind a look.
"""

import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import and_, func, select

from app.access.agent import Agent
from app.access.opened import Opened
from app.access.operation import Operation
from app.access.operations import OPERATIONS
from app.access.policy import Question
from app.access.work import Answer, Facts, Work
from app.alerts import rows
from app.alerts.rows import AlertRow, StepRow
from app.alerts.seeing import Viewer
from app.alerts.showing import show_event
from app.alerts.table import alert, alert_step
from app.core.errors import CaretrailError, ConflictError

STREAM: Final = OPERATIONS["GET /v1/alerts/stream"]
STREAM_END: Final = Operation(STREAM.method, STREAM.path, "session", "self", STREAM.act + ".end", 200)
MOST_OF_SESSION, MOST_OF_USER, MOST_IN_ALL = 3, 6, 200
"""How many streams may be open in one process."""
TOO_MANY = "You have as many streams open as there may be. Close one of them first."
_STEP = len(StepRow._fields)
_COLUMNS = (
    *(alert_step.c[name] for name in StepRow._fields),
    *(alert.c[name].label(f"alert_{name}") for name in AlertRow._fields),
    alert_step.c.entry,
)


@dataclass(eq=False)
class Ticket:
    """What a stream asks for its place with. It is worth nothing once the stream has left."""

    stream_id: str
    used_up: bool = False


class Streams:
    """Which streams are open in this process. A place is taken in the turn and given back in the loop.

    The loop may give up before the turn comes to it: a place that was left already is not taken.
    """

    def __init__(self) -> None:
        self._taken: dict[str, tuple[str | None, str]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._taken)

    def take(self, ticket: Ticket, session_id: str | None, user_id: str) -> None:
        """Take a place; the same stream may ask twice.

        Raises:
            ConflictError: There is none left for this session, this person or at all.
        """
        with self._lock:
            others = [owner for one, owner in self._taken.items() if one != ticket.stream_id]
            of_session = sum(session == session_id for session, _ in others)
            of_user = sum(user == user_id for _, user in others)
            if of_session >= MOST_OF_SESSION or of_user >= MOST_OF_USER or len(others) >= MOST_IN_ALL:
                raise ConflictError(TOO_MANY, why="too-many-streams")
            if not ticket.used_up:
                self._taken[ticket.stream_id] = session_id, user_id

    def leave(self, ticket: Ticket) -> None:
        """Give a place back, if it was taken; it is not taken from here on."""
        with self._lock:
            ticket.used_up = True
            self._taken.pop(ticket.stream_id, None)


class Event(NamedTuple):
    """One event: the number of the entry that tells of it, and what is sent."""

    entry: int
    shown: dict[str, Any]


class Seen(NamedTuple):
    """What a look found: events for this caller, up to which entry it looked, whether there is more."""

    events: list[Event]
    onward: int
    more: bool


@dataclass
class StreamStart(Work):
    """Begin a stream, after the event the client saw last or from now on.

    A number above all there are means from now on, too: a refusal would tell where the newest stands, also of
    an alert about the caller.

    Attributes:
        ticket: What it takes its place with; names what ties its entries together.
        after: The number of the event seen last; None for from now on.
        streams: Which are open.
    """

    ticket: Ticket
    after: int | None
    streams: Streams = field(repr=False)
    activity = False

    def asked(self) -> tuple[str, str | None]:
        """Return the stream."""
        return "alert_stream", self.ticket.stream_id

    def perform(self, opened: Opened) -> Answer:
        """Return the number after which to look."""
        newest = select(func.max(alert_step.c.entry)).where(alert_step.c.org == opened.org)
        last: int = opened.execute(newest).scalar() or 0
        self.streams.take(self.ticket, opened.agent.session_id, opened.agent.id)
        return Answer(last if self.after is None else min(self.after, last))


@dataclass
class StreamLook(Work):
    """See what happened after an entry, as far as the caller sees the alerts it happened to.

    What was altered behind the service's back is left out, and told of in the trail.
    """

    after: int
    most: int
    silent = chunk = True
    activity = False

    def perform(self, opened: Opened) -> Answer:
        """Return `Seen`."""
        query = (
            select(*_COLUMNS)
            .join(alert, and_(alert.c.org == alert_step.c.org, alert.c.id == alert_step.c.alert_id))
            .where(alert_step.c.org == opened.org, alert_step.c.entry > self.after)
            .order_by(alert_step.c.entry)
            .limit(self.most)
        )
        found = opened.execute(query).all()
        read = ((StepRow._make(row[:_STEP]), AlertRow._make(row[_STEP:-1]), row[-1]) for row in found)
        viewer = Viewer(opened)
        events = [
            Event(entry, show_event(about, step))
            for step, about, entry in read
            if rows.sound(opened, step) and rows.sound(opened, about) and viewer.sees(about)
        ]
        onward = found[-1][-1] if found else self.after
        return Answer(Seen(events, onward, len(found) == self.most))


@dataclass
class StreamEnd(Work):
    """Record that a stream ended, or broke off.

    Attributes:
        stream_id: Which.
        events: How many events were handed over.
        broken: Why it broke off; None when the client or the server ended it.
    """

    stream_id: str
    events: int
    broken: str | None
    closing = True
    activity = False

    def asked(self) -> tuple[str, str | None]:
        """Return the stream."""
        return "alert_stream", self.stream_id

    def question(self, _operation: Operation, _agent: Agent, _facts: Facts, _at: datetime) -> Question:
        """Want nothing: what was begun is recorded as ended even when the permission is gone."""
        return Question()

    def perform(self, opened: Opened) -> Answer:
        """Note how many events were handed over."""
        opened.note.count = self.events
        return Answer(refusal=None if self.broken is None else CaretrailError(why=self.broken))
