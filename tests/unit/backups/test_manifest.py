"""What a backup counts: every table there is, whichever command makes or checks it."""

from pathlib import Path

from app.backups import manifest

APP = Path(manifest.__file__).parents[1]


def test_every_module_of_tables_is_counted():
    """A table that only some processes know would make them refuse each other's backups."""
    there = {f"app.{path.parent.name}.table" for path in APP.glob("*/table.py")}

    assert there == {module.__name__ for module in manifest.WHERE_TABLES_ARE}
    assert 9 == len(there)
