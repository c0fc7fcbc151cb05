"""The command line at the door: its works take turns like everybody's, and leave entries.

It acts as `system:cli`. Who ran the command, by the operating system's name, is the reason of the entry:
sealed, because that may be a person's name. The kernel is asked who that is, never a variable that whoever
runs the command sets as they like; `sudo` tells a name that counts to root alone.

Not proven here: that a name is one person. Whoever may become another user is that user.
"""

import asyncio
import os
import pwd
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.access import without_door
from app.access.operation import Operation
from app.access.visit import System, Visit, Visited, VisitRefusedError
from app.access.work import Work
from app.audit.indexing import LONGEST_PIECE
from app.commands.telling import remark
from app.core.errors import CaretrailError
from app.core.identifiers import SYSTEM
from app.main import Service
from app.trail.checkpoints import HOUSEKEEPING, IndexLines
from app.trail.ended import copy_ended
from app.trail.housekeeping import Housekeeping

CLI = "cli"


_LOGIN = Path("/proc/self/loginuid")
"""Whom the kernel saw log in. It stays so through `sudo` and `su`."""
_NOBODY_LOGGED_IN = 2**32 - 1


def operating_user() -> str:
    """Return the operating system's name for who runs the command."""
    return name_of(user_of(_logged_in(), os.getuid(), os.environ))


def user_of(logged_in: int | None, uid: int, variables: Mapping[str, str]) -> int:
    """Return the number of the user who runs a command.

    Args:
        logged_in: Who logged in, where the kernel knows: a person, while the process may be the service's.
        uid: Whose process it is.
        variables: Its environment. Only root's says whom `sudo` came from: others could write it themselves.
    """
    if logged_in is not None:
        return logged_in
    told = variables.get("SUDO_UID", "") if uid == 0 else ""
    return int(told) if told.isascii() and told.isdigit() else uid


def _logged_in() -> int | None:
    try:
        number = int(_LOGIN.read_text("ascii"))
    except (OSError, ValueError):  # another system than Linux, or one that keeps no audit
        return None
    return number if number != _NOBODY_LOGGED_IN else None


def name_of(uid: int) -> str:
    """Return the operating system's name for a user."""
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):  # a user id without a name: a container
        return f"uid {uid}"


class Caller:
    """A command, calling for one organisation."""

    def __init__(self, service: Service, org: str, command: str) -> None:
        self._service = service
        self._org = org
        self._reason = f"{command}, run by {operating_user()}"

    async def visit(self, visit: Visit) -> Visited:
        """Serve a visit at once: in this process nobody else is waiting.

        Raises:
            VisitRefusedError: It was refused or failed.
        """
        without_door.serve(self._service.turn, visit)
        match visit.outcome:
            case Visited() as visited:
                return visited
            case CaretrailError() as error:
                raise VisitRefusedError(error, visit.stamp)
        raise VisitRefusedError(CaretrailError(why="no-outcome"), None)

    async def do(self, asked: Operation, work: Work) -> Visited:
        """Serve a work as the command line."""
        visit = Visit(System(CLI, self._org), asked, work, purpose="administration", reason=self._reason)
        return await self.visit(visit)


async def index_lines(caller: Caller) -> None:
    """Let the index come to the end of a chain."""
    while (await caller.do(HOUSEKEEPING, IndexLines(LONGEST_PIECE))).answer.payload:
        pass


def present(service: Service, org: str, asked: Operation, work: Work, command: str) -> Any:
    """Have a work done as the command line, and return its payload.

    Raises:
        CaretrailError: It was refused or failed; nothing of it was done.
    """
    try:
        return asyncio.run(Caller(service, org, command).do(asked, work)).answer.payload
    except VisitRefusedError as refused:
        raise refused.error from refused


def sign_what_moved(service: Service) -> None:
    """Sign every chain that grew and move its guard, so that a command leaves nothing unsigned."""
    keeping = Housekeeping(Caller(service, SYSTEM, "").visit, service.notary, service.guards)
    asyncio.run(keeping.look(last=True))
    failed = copy_ended(service.guards.ended, service.settings.backup_dir)
    if failed is not None:
        remark(f"The ledger of what ended was not copied to {service.settings.backup_dir}: {failed}")
