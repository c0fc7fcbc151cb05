"""A real, small file system fills up under a running service, and is emptied again.

The service runs in a mount namespace of its own, on a tmpfs that goes with it; wherever the system lets
this user make one. The same rules are held without it by `test_reserve`.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pyotp
import pytest

from tests.unit.commands.conftest import ROOT, Line, free_port

MIB = 1 << 20
ROOM = 96 * MIB
ROOM_OF_POSTGRESQL = 256 * MIB
_MOUNT = 'mount -t tmpfs -o mode=755,size="$1" tmpfs "$2" && shift 2 && exec "$@"'


@pytest.fixture(scope="module")
def apart() -> Callable[[int, Path], list[str]]:
    """Return what runs a command where a folder is a file system of a size."""
    tried = [("unshare", "-m"), ("unshare", "-rm")] if shutil.which("unshare") else []

    def on(way: tuple[str, ...], size: int, folder: Path) -> list[str]:
        return [*way, "sh", "-c", _MOUNT, "sh", str(size), str(folder)]

    for way in tried:
        if not subprocess.run([*on(way, MIB, Path("/mnt")), "true"], capture_output=True).returncode:
            return partial(on, way)
    pytest.skip("this user can have no mount namespace: no small file system can be made")


class SmallDisk:
    """A demo that is served from a small disk."""

    def __init__(self, line: Line, running: "subprocess.Popen[str]") -> None:
        assert running.stdout is not None
        self.told: dict[str, Any] = json.loads(running.stdout.readline())
        self.line, self.running = line, running
        self.client = httpx2.Client(base_url=self.told["url"], timeout=30)
        self._filler = Path(f"/proc/{running.pid}/root{line.data_dir}/filler")

    def sign_in(self, role: str) -> dict[str, str]:
        user = next(one for one in self.told["users"] if one["role"] == role)
        body = {"username": user["username"], "password": user["password"]}
        answer = self.client.post("/v1/sessions", json=body | {"otp": pyotp.TOTP(user["totp_secret"]).now()})
        assert 201 == answer.status_code, answer.text
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def status(self, path: str, who: dict[str, str] | None = None) -> int:
        return self.client.get(path, headers=who).status_code

    def fill(self) -> None:
        """Leave no byte free."""
        handle = os.open(self._filler, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for size in (MIB, 4096, 1):
            try:
                while os.write(handle, bytes(size)) == size:
                    pass
            except OSError:
                continue
        os.close(handle)

    def empty(self) -> None:
        self._filler.unlink()

    def exported(self, who: dict[str, str], to: Path) -> list[str]:
        """Return the acts of an export of the whole trail, after the verifier found it good."""
        answer = self.client.get("/v1/audit/export?format=zip", headers=who)
        assert 200 == answer.status_code
        to.write_bytes(answer.content)
        verifier = [sys.executable, "-I", str(ROOT / "app/audit/verify.py"), str(to)]
        done = subprocess.run([*verifier, "--key", self.told["verifier_key"]], capture_output=True, text=True)
        assert 0 == done.returncode, done.stdout
        with zipfile.ZipFile(to) as archive:
            return [json.loads(one)["e"]["act"] for one in archive.read("events.jsonl").splitlines()]


@pytest.fixture
def disk(apart: Callable[[int, Path], list[str]], tmp_path: Path) -> Iterator[SmallDisk]:
    line = Line(tmp_path / "data")
    line.data_dir.mkdir()
    command = [sys.executable, "-m", "app", "demo", "--port", str(free_port()), "--json"]
    running = subprocess.Popen(
        [*apart(ROOM, line.data_dir), *command],
        env=line.environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    disk = SmallDisk(line, running)
    try:
        yield disk
    finally:
        disk.client.close()
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=30)


def until(reached: Callable[[], bool]) -> None:
    """Wait for what the service brings about within seconds."""
    ends = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < ends, "it did not come to it"
        time.sleep(0.2)


def test_a_disk_that_fills_up_under_a_service(disk: SmallDisk, tmp_path: Path) -> None:
    """Records are refused, the auditor signs in and exports a trail that verifies, and room mends it all."""
    carer, residents = disk.sign_in("carer"), "/v1/residents"
    assert (200, 200) == (disk.status(residents, carer), disk.status("/health/ready"))

    disk.fill()
    until(lambda: 503 == disk.status(residents, carer))
    assert [503] * 20 == [disk.status(residents, carer) for _ in range(20)]
    assert 503 == disk.status("/health/ready")
    auditor = disk.sign_in("auditor")
    acts = disk.exported(auditor, tmp_path / "full.zip")
    assert "auth.login" == [act for act in acts if act.startswith("auth.")][-1]

    disk.empty()
    until(lambda: 200 == disk.status(residents, carer))
    until(lambda: 200 == disk.status("/health/ready"))
    assert "resident.list" in disk.exported(auditor, tmp_path / "mended.zip")[len(acts) :]


def test_a_postgresql_whose_disk_fills_up(apart: Callable[[int, Path], list[str]]) -> None:
    """Who is answered has an entry, everybody else is refused, and with room all goes on by itself."""
    with tempfile.TemporaryDirectory(prefix="small-") as folder:  # the server runs as another user
        command = [sys.executable, "-m", "tests.door.full_postgresql", folder]
        small = apart(ROOM_OF_POSTGRESQL, Path(folder))
        done = subprocess.run([*small, *command], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert 0 == done.returncode, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])

    assert {"ok", "audit-unavailable"} == set(told["outcomes"])
    assert told["outcomes"]["audit-unavailable"] > 250
    assert told["outcomes"]["ok"] == told["entries"]
    assert ["ok"] * 20 == told["after"]
    assert [] == told["problems"]
