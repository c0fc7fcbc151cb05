"""Which version's backups are taken: its own and every older one's."""

import pytest
from alembic.script import ScriptDirectory

from app.backups import manifest
from app.backups.archive import BackupRefusedError
from app.backups.earlier import refuse_newer
from app.storage.schema import MIGRATIONS, head_revision, is_older
from app.storage.snapshot import sqlite_snapshot


def told(schema, *tables):
    return {"schema": schema, "counts": dict.fromkeys(tables, 0)}


def test_every_revision_that_was_is_taken_and_only_the_last_is_not_older():
    """Each revision of the migrations is a backup's that may come back; all but the newest are migrated."""
    revisions = [one.revision for one in ScriptDirectory(str(MIGRATIONS)).walk_revisions()]
    taken = 0
    for revision in revisions:
        refuse_newer(told(revision, "audit_event"))
        assert is_older(told(revision)["schema"]) == (revision != head_revision())
        taken += 1
    assert taken == len(list((MIGRATIONS / "versions").glob("*.py")))
    assert taken >= 17


@pytest.mark.parametrize("schema", ["2099_01_01_01", "", "2026_11_22_08, 2026_11_23_01"])
def test_a_revision_that_is_not_known_is_refused(schema):
    """No revision of this version's: it is a newer one's."""
    with pytest.raises(BackupRefusedError, match="newer") as refused:
        refuse_newer(told(schema))
    assert "made by a newer version" in refused.value.detail


def test_a_table_that_is_not_known_is_refused():
    """Only tables of this version are ever counted, whatever a manifest names; each unknown one is told."""
    refuse_newer(told(head_revision(), *manifest.tables()))
    with pytest.raises(BackupRefusedError, match="newer") as refused:
        refuse_newer(told(head_revision(), "alert", "zeal", "(SELECT 1)"))
    assert "it holds (SELECT 1), zeal, which" in refused.value.detail


def test_only_the_tables_that_are_named_are_counted(bench):
    """A copy is surveyed as its manifest names it; a new backup counts every table."""
    path = bench.world.url.removeprefix("sqlite:///")
    with sqlite_snapshot(bench.folder.parent / path) as view:
        assert {"account": 1, "shift": 0} == manifest.survey(view, ["shift", "account"]).counts
        assert sorted(manifest.tables()) == list(manifest.survey(view, manifest.tables()).counts)
