"""Bodies on their way: what this process holds of all of them together, and of whom.

Most bodies come in one piece and are handed on at once. What comes in several is held until it is
answered, and how long that takes is for whoever sends it to choose. So there is room for so much of it
and no more: a larger room for whoever shows a token of ours, a smaller one for all others, of whom little
is read. Strangers fill their own room, not the one in which carers' documents arrive.

A token is looked at here without the database: by its signature, and for when it ends. Whether its
session still lives is found in the turn, and told there; so is that somebody is unknown.

Source: app/decisions/0039-what-strangers-may-hold.md.
"""

from collections.abc import Callable, Iterable

from starlette.datastructures import Headers

from app.access.visit import VisitRefusedError
from app.core.clock import Clock
from app.core.errors import AuditUnavailableError, TokenInvalidError
from app.http import strict_json
from app.identity.tokens import TokenReader

STRANGER_BODY_BYTES = 64 * 1024
"""So much is read of a body whose sender is refused anyway: no token of ours, and no sign-in."""
KNOWN_BYTES = 64 * 1024 * 1024
STRANGERS_BYTES = 8 * 1024 * 1024
PIECE_BYTES = 128
"""What a piece counts at least: two bytes at a time take up far more than their number."""
RETRY_AFTER_S = 5

RawHeaders = Iterable[tuple[bytes, bytes]]
Known = Callable[[RawHeaders], bool]
"""Says whether a request shows a token of ours."""

_CROWDED = "Too much is being sent at this moment. Nothing was shown or changed. Try again shortly."


class CrowdedError(VisitRefusedError):
    """There is no room for a body at this moment. As at a door whose room is full, that makes no entry."""

    def __init__(self) -> None:
        super().__init__(AuditUnavailableError(_CROWDED, why="busy", retry_after=RETRY_AFTER_S), None)


def anybody(_: RawHeaders) -> bool:
    """Take everybody for known: for an application without tokens."""
    return True


def known_by(tokens: TokenReader, clock: Clock) -> Known:
    """Return what knows a token that this service issued and that is not over."""

    def known(headers: RawHeaders) -> bool:
        """Say whether a request shows one."""
        try:
            claims = tokens.read(strict_json.bearer_token(Headers(raw=list(headers))))
        except TokenInvalidError:
            return False
        return claims.ends_at > clock.now()

    return known


class Room:
    """So many bytes, taken and given back. Used in the event loop only."""

    def __init__(self, size: int) -> None:
        self.free = size


class Share:
    """What one body takes of a room."""

    __slots__ = ("_held", "_room")

    def __init__(self, room: Room) -> None:
        self._room, self._held = room, 0

    def grow(self, count: int) -> None:
        """Take room for a further piece.

        Raises:
            CrowdedError: There is none.
        """
        count = max(count, PIECE_BYTES)
        if count > self._room.free:
            raise CrowdedError
        self._room.free -= count
        self._held += count

    def end(self) -> None:
        """Give everything back."""
        self._room.free += self._held
        self._held = 0


class Rooms:
    """The rooms of a process."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._of_known, self._of_strangers = Room(KNOWN_BYTES), Room(STRANGERS_BYTES)

    def enter(self, headers: RawHeaders) -> tuple[Share, bool]:
        """Return a share for the body of a request, and whether its caller is known."""
        known = self._known(headers)
        return Share(self._of_known if known else self._of_strangers), known
