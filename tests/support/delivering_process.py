"""A process that does nothing but deliver webhooks: `python -m tests.support.delivering_process`.

With `--without-extra` the HTTP client is not there, as where the optional extra is not installed.
"""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

from app.access.door import Door
from app.commands.opening import assembled
from app.commands.starting import begin
from app.core.settings import Settings
from app.main import Service
from app.webhooks.delivering import Delivering

ROOT = Path(__file__).parents[2]
_WITHOUT = "--without-extra"


async def deliver(service: Service) -> None:
    """Deliver until told to stop."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    door = Door(service.turn)
    door.open()
    delivering = Delivering(door.visit, service.settings)
    delivering.start()
    await stopping.wait()
    await delivering.stop()
    await door.close()


class DeliveringProcess:
    """Such a process, and the file it logs to."""

    def __init__(self, settings: Settings, log: Path, *, without_extra: bool = False) -> None:
        given = {
            "CARETRAIL_DATA_DIR": str(settings.data_dir),
            "CARETRAIL_DATABASE_URL": settings.database_url.get_secret_value(),
            "CARETRAIL_DEPLOYMENT": settings.deployment,
            "CARETRAIL_WEBHOOKS_ALLOW_LOOPBACK": "true",
            "CARETRAIL_WEBHOOKS_CA": str(settings.webhooks_ca),
        }
        command = [sys.executable, "-m", __name__, *([_WITHOUT] if without_extra else ())]
        self.log = log
        with log.open("wb") as file:
            self._process = subprocess.Popen(command, cwd=ROOT, env=os.environ | given, stderr=file)

    def kill(self) -> None:
        """Kill it: no handler runs."""
        self._process.kill()
        self._process.wait(30)

    def stop(self) -> int:
        """End it as an operator does; return its exit code."""
        self._process.terminate()
        return self._process.wait(30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.kill()


if __name__ == "__main__":
    if _WITHOUT in sys.argv:
        sys.modules["httpx2"] = None  # type: ignore[assignment]
    asyncio.run(deliver(assembled(begin())))
