"""Commands that start at once: forked from a process that has imported everything and opened nothing.

`caretrail audit verify` takes two seconds to import and a moment to run; a test that runs it a hundred times
pays for the import once. Each run is a process of its own in every other respect. See `nursery`, which
does the same for servers.
"""

import faulthandler
import json
import os
import sys
import tempfile
from typing import Any, NamedTuple

from tests.support.forking import Forking

LONGEST_S = 60
"""How long a command may take; one that takes longer is ended and says where it stood."""


class Told(NamedTuple):
    """How a command ended, and what it said on both streams."""

    code: int
    text: str


class Commands(Forking):
    """The process that commands are forked from, as seen from a test. Started when first needed."""

    module = "tests.support.commands"

    def run(self, environment: dict[str, str], *arguments: str) -> Told:
        """Run `caretrail` with these arguments and settings to its end."""
        with tempfile.NamedTemporaryFile() as said:
            code = self.order({"arguments": arguments, "environment": environment, "said": said.name})
            return Told(code, said.read().decode())


COMMANDS = Commands()


# --- in the process itself ----------------------------------------------------------------------------


def _become(order: dict[str, Any]) -> None:
    """Become the command, for good."""
    for name in [name for name in os.environ if name.startswith("CARETRAIL_")]:
        del os.environ[name]
    os.environ.update(order["environment"])
    nothing, said = os.open(os.devnull, os.O_RDONLY), os.open(order["said"], os.O_WRONLY | os.O_APPEND)
    for there, here in ((nothing, 0), (said, 1), (said, 2)):
        os.dup2(there, here)
    faulthandler.dump_traceback_later(LONGEST_S, exit=True)
    from app.__main__ import main

    sys.argv = ["caretrail", *order["arguments"]]
    main()


def _forked(order: dict[str, Any]) -> int:
    child = os.fork()
    if child == 0:
        try:
            _become(order)
        except SystemExit as ended:
            sys.stdout.flush()
            os._exit(ended.code if isinstance(ended.code, int) else 1 if ended.code else 0)
        sys.stdout.flush()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _run() -> None:
    import app.commands.auditing
    import app.commands.serving  # noqa: F401 - what takes so long

    for line in sys.stdin:
        told = _forked(json.loads(line))
        sys.stdout.write(f"{told}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _run()
