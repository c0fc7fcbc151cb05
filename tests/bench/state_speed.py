"""How fast all rows are held against the trail: `python -m tests.bench.state_speed [--rows N]`.

A PostgreSQL server of its own, a sample written through the door, then one pass of what `caretrail audit
verify --state` does beside the lines. It is one process; seconds are those of its core and those of the wall,
the server's share in the second only.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from app.access.visit import System
from app.audit import indexing, tiles
from app.audit.checkpoint import Notary
from app.audit.database_check import check_database
from app.audit.database_report import DatabaseReport
from app.commands.auditing import chains_of
from app.core.clock import SystemClock
from app.core.entropy import SystemEntropy
from app.core.settings import Settings, load
from app.main import assemble
from app.residents.recording import MakeRecord
from app.residents.state_kinds import RESIDENT_KINDS
from app.storage.engine import open_engine
from app.storage.migration import migrate
from app.storage.snapshot import Snapshot
from app.trail.derived import check_derived
from app.trail.state_check import check_state
from app.trail.state_kinds import IDENTITY_KINDS
from app.vault.keyring import Keyring
from app.vault.provider import ROOT_KEY, SIGNING_KEY, FileKeys
from tests.bench.sample import RESIDENTS, Sample, _do, fill, found
from tests.support import postgresql

ROWS_OF_A_NOTE = 2
"""The record and its version."""
NOTE = "Ate half of breakfast and walked to the garden. "


def main() -> None:
    """Measure and print one line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    rows: int = parser.parse_args().rows
    with tempfile.TemporaryDirectory(prefix="caretrail-state-", ignore_cleanup_errors=True) as folder:
        own = postgresql.make_database(postgresql.start(Path(folder) / "postgresql"), "state")
        chosen = {"database_url": own.service, "owner_database_url": own.owner, "data_dir": folder}
        print(json.dumps(measured(load(**chosen), rows)))


def measured(settings: Settings, rows: int) -> dict[str, object]:
    """Return rows and seconds of one pass over a sample of so many rows."""
    owner = open_engine(settings.owner_database_url.get_secret_value(), patient=True)
    migrate(owner)
    owner.dispose()
    found(settings)
    sample = fill(settings, RESIDENTS)
    _write(settings, sample, (rows - ROWS_OF_A_NOTE * RESIDENTS) // ROWS_OF_A_NOTE)
    with (owner := open_engine(settings.owner_database_url.get_secret_value(), patient=True)).begin() as own:
        while indexing.catch_up(own, sample.org, indexing.LONGEST_PIECE) or tiles.catch_up(
            own, sample.org, 999
        ):
            pass
    owner.dispose()
    return _passed(settings)


def _write(settings: Settings, sample: Sample, notes: int) -> None:
    service = assemble(settings)
    owners = [resident for resident, _, _ in sample.records]
    works = [
        MakeRecord(owners[n % len(owners)], "daily_note", sample.occurred_at, {"text": NOTE + str(n)})
        for n in range(max(notes, 0))
    ]
    _do(service, System("cli", sample.org), "POST /v1/residents/{resident_id}/records", works)
    assert sample.org in chains_of(service, None)
    service.turn.close()
    service.engine.dispose()


def _passed(settings: Settings) -> dict[str, object]:
    keys, entropy, told = FileKeys(settings.keys_dir), SystemEntropy(), dict[str, object]()
    keyring, at = Keyring(keys.secret(ROOT_KEY), entropy), SystemClock().now()

    def timed(name: str, check: Callable[[], None]) -> None:
        core, wall = time.process_time(), time.perf_counter()
        check()
        told[f"{name}_core_s"] = round(time.process_time() - core, 3)
        told[f"{name}_wall_s"] = round(time.perf_counter() - wall, 3)

    def compare(snapshot: Snapshot, report: DatabaseReport) -> None:
        kinds = (*IDENTITY_KINDS, *RESIDENT_KINDS)
        timed("derived", lambda: check_derived(snapshot, report, entropy, keyring, at))
        timed("rows", lambda: check_state(snapshot, report, keyring, kinds, at))

    engine = open_engine(settings.database_url.get_secret_value(), patient=True)
    notary = Notary(settings.deployment, keys.secret(SIGNING_KEY))
    report = check_database(engine, notary, None, compare)
    engine.dispose()
    compared = [text for chain in report.chains for text in chain.checked if " rows " in text]
    return told | {"lines": report.count, "compared": compared}


if __name__ == "__main__":
    main()
