"""What a backup counts: every table there is, whichever command makes or checks it."""

from app.backups import manifest
from app.storage.base import metadata


def test_every_module_of_tables_is_counted():
    """A table that only some processes know would make them refuse each other's backups."""
    assert sorted(metadata.tables) == manifest.tables()
    assert 25 < len(manifest.tables())
