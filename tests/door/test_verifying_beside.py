"""`caretrail audit verify` beside a server that always has lines it has not signed yet."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.commands import COMMANDS
from tests.support.crash import Ward
from tests.support.served import Database
from tests.support.server_process import ServerProcess

TIMES = 3


@pytest.fixture
def ward(each_database: Database, tmp_path: Path) -> Iterator[Ward]:
    """A deployment on each of the two databases."""
    with Ward(each_database, tmp_path) as ward:
        yield ward


@contextmanager
def busy(ward: Ward, server: ServerProcess) -> Iterator[list[int]]:
    """Have a nurse read without a pause, ten times a second; give the answers."""
    over = threading.Event()
    answers: list[int] = []
    path, nurse = f"/v1/residents/{ward.resident}", {"Authorization": f"Bearer {ward.tokens['nurse']}"}

    def read() -> None:
        with server.client() as client:
            while not over.wait(0.1):
                answers.append(client.get(path, headers=nurse).status_code)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield answers
    finally:
        over.set()
        reader.join()


@pytest.mark.parametrize("further", [(), ("--state",)])
def test_a_busy_service_is_vouched_for(ward: Ward, further: tuple[str, ...]) -> None:
    """Each time it says intact: the lines that had no checkpoint yet are waited for."""
    environment = {
        "CARETRAIL_DATA_DIR": str(ward.world.settings.data_dir),
        "CARETRAIL_DATABASE_URL": ward.world.url,
        "CARETRAIL_DEPLOYMENT": ward.world.settings.deployment,
    }
    server = ward.serve()
    try:
        with busy(ward, server) as answers:
            told = [COMMANDS.run(environment, "audit", "verify", *further) for _ in range(TIMES)]
    finally:
        server.stop()

    assert {0: TIMES} == Counter(one.code for one in told), told[-1].text
    assert any("made meanwhile, signs the lines" in one.text for one in told)
    assert {200} == set(answers)
