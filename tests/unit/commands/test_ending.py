"""How `serve` ends: with 0 where it was told to and ended in order, and in no other case."""

import json
import signal
import subprocess
import sys

import pytest

from tests.unit.commands.conftest import Line, free_port

PATIENCE_S = 60
LEAVES_SOMETHING_OPEN = """
import sys
from app.__main__ import main
from app.access.door import Door

async def close(self):
    raise OSError("the door is stuck")

Door.close = close
sys.argv = ["caretrail", "serve"]
main()
"""


@pytest.fixture
def served(founded: tuple[Line, dict[str, str]]) -> Line:
    """A founded deployment with a port of its own."""
    line, _ = founded
    return Line(line.data_dir, line.variables | {"CARETRAIL_PORT": str(free_port())})


def ended(process: "subprocess.Popen[str]", told: signal.Signals) -> tuple[int, str]:
    """Tell a server to end once it answers; return its exit code and what it said."""
    assert process.stderr is not None
    try:
        said = []
        for line in process.stderr:
            said.append(line)
            if line.startswith("{") and json.loads(line)["event"] == "serving":
                process.send_signal(told)
        return process.wait(PATIENCE_S), "".join(said)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("told", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_an_orderly_end_is_told_apart_by_what_asked_for_it(
    served: Line, told: signal.Signals, code: int
) -> None:
    """Told to end it did what it was told: 0. Ctrl-C has the number that shells give it, and no traceback."""
    came, said = ended(served.start("serve"), told)

    assert (code, False) == (came, "Traceback" in said), said
    assert 0 == served.run("audit", "verify").code, "what is under way is answered and signed"


def test_an_end_in_which_something_failed_is_not_0(served: Line) -> None:
    """Told to end, what could not be closed in order ends with 1, and the log says that it failed."""
    command = [sys.executable, "-c", LEAVES_SOMETHING_OPEN]
    process = subprocess.Popen(command, env=served.environment, stderr=subprocess.PIPE, text=True)
    code, said = ended(process, signal.SIGTERM)

    assert (1, True) == (code, '"level":"error"' in said), said
