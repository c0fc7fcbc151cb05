"""An untouched log is never accused: 1,000 random honest logs, whole, anchored and in part."""

import io
import os

import pytest

from app.audit import verify
from tests.conformance.mutations import quick_signatures, stored
from tests.support.honest_logs import HonestLog

BATCHES, LOGS = 10, 100


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signatures are checked by a library, which is quicker."""
    quick_signatures(monkeypatch)


def report(files: dict[str, bytes], log: HonestLog, anchors: object = None) -> verify.Report:
    archive: io.BytesIO = stored(files)
    return verify.verify_export(archive, [log.vkey], anchors, processes=1)  # type: ignore[arg-type]


@pytest.mark.parametrize("batch", range(BATCHES))
def test_honest_logs_are_never_accused(batch: int, tmp_path) -> None:
    """Whole it is intact; against its own older checkpoints, too; a part of it is at most in doubt."""
    lines = months = 0
    for seed in range(batch * LOGS, (batch + 1) * LOGS):
        log = HonestLog(seed)
        whole = report(log.whole(), log)
        assert (0, [], []) == (whole.exit_code, whole.findings, whole.doubts), seed
        lines, months = lines + len(log.lines), months + len(log.closed)
        for size in log.sizes:
            (tmp_path / f"{size}.note").write_bytes(log.note(size))
            os.utime(tmp_path / f"{size}.note", (0, 0))
        anchored = report(log.whole(), log, tmp_path)
        assert (0, True) == (anchored.exit_code, anchored.anchored), seed
        for size in log.sizes:
            (tmp_path / f"{size}.note").unlink()
        if log.lines:
            part = report(log.selection(), log)
            assert (2, []) == (part.exit_code, part.findings), seed

    assert lines > 5 * LOGS
    assert months > LOGS / 10
