"""Which backups are refused, or fail, for want of room."""

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.backups import job
from app.backups.job import refuse_last_room
from app.core.settings import Settings
from app.jobs.scheduler import JobFailedError
from app.storage.reserve import RESERVED, Reserve


def test_the_last_room_is_the_trails(tmp_path, monkeypatch):
    """Without the reserve and without room for it nothing is written beside the database."""
    settings = Settings(data_dir=tmp_path, backup_dir=tmp_path / "not" / "made")
    reserve = Reserve.beside(settings.database_url.get_secret_value())
    assert reserve is not None
    assert reserve.shares_disk_with(settings.backup_dir)
    refuse_last_room(settings, settings.backup_dir)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=RESERVED))
    with pytest.raises(JobFailedError, match="no-room") as refused:
        refuse_last_room(settings, settings.backup_dir)
    assert "the disk of the database" in refused.value.result["detail"]
    refuse_last_room(settings, Path("/proc"))
    (tmp_path / "reserved-for-the-trail").write_bytes(bytes(RESERVED))
    refuse_last_room(settings, settings.backup_dir)


@pytest.mark.parametrize(
    ("number", "why", "words"),
    [
        (errno.ENOSPC, "no-room", "no room in /srv/backups"),
        (errno.EDQUOT, "no-room", "no room in /srv/backups"),
        (errno.EACCES, "not-written", "/srv/backups cannot be written (Permission denied)"),
    ],
)
def test_what_kept_a_backup_from_being_written_is_named(number, why, words):
    """Want of room is told apart from want of rights, each with the folder."""
    failed = job._not_written("/srv/backups", OSError(number, os.strerror(number)))
    assert (why, True) == (failed.result["why"], words in failed.result["detail"])
