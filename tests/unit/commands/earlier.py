"""A deployment as an earlier version left it, a backup of that, and manifests that tell otherwise."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Inspector, inspect, text

from app.backups import archive, creating, manifest
from app.backups.creating import ENDING
from app.backups.job import silent
from app.commands.bringing_back import notary_of
from app.core.settings import Settings
from app.storage.base import metadata
from app.storage.copying import copied
from app.storage.engine import open_engine
from app.storage.schema import MIGRATIONS
from tests.unit.commands.places import Place, looking

EARLIER = "2026_11_22_08"
"""The last revision without alerts, webhooks and incidents."""


class Table(NamedTuple):
    """A table's columns, and those of each of its indexes."""

    columns: set[str]
    indexes: dict[str, list[str]]


Shape = dict[str, Table]


def settings_of(place: Place) -> Settings:
    """Return the settings that the commands on a place have."""
    named = {name.removeprefix("CARETRAIL_").lower(): value for name, value in place.line.variables.items()}
    return Settings.model_validate({"data_dir": place.line.data_dir} | named)


def earlier_shape(folder: Path) -> Shape:
    """Return what the tables were at the earlier revision, from a database migrated that far."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = open_engine(f"sqlite:///{folder}/earlier.db", patient=True)
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, EARLIER)
        looked = inspect(connection)
        shape = {name: _table(looked, name) for name in looked.get_table_names() if name in metadata.tables}
    engine.dispose()
    return shape


def _table(looked: Inspector, name: str) -> Table:
    indexes = {
        str(one["name"]): [str(column) for column in one["column_names"]] for one in looked.get_indexes(name)
    }
    return Table({str(one["name"]) for one in looked.get_columns(name)}, indexes)


def take_back(connection: Connection, shape: Shape) -> None:
    """Take away what later revisions made: no revision does that itself, it would lose what is there."""
    for table in reversed(metadata.sorted_tables):
        if table.name not in shape:
            connection.execute(text(f"DROP TABLE {table.name}"))
            continue
        earlier, indexes = shape[table.name], {str(one.name) for one in table.indexes}
        for index in indexes - earlier.indexes.keys():
            connection.execute(text(f"DROP INDEX {index}"))
        for index in earlier.indexes.keys() - indexes:
            on = f"{table.name} ({', '.join(earlier.indexes[index])})"
            connection.execute(text(f"CREATE INDEX {index} ON {on}"))
        for column in table.columns:
            if column.name not in earlier.columns:
                connection.execute(text(f"ALTER TABLE {table.name} DROP COLUMN {column.name}"))
    connection.execute(text(f"UPDATE alembic_version SET version_num = '{EARLIER}'"))
    connection.commit()


def earlier_backup(place: Place, folder: Path) -> Path:
    """Return a backup as the earlier version made it; the deployment stays at that version's schema."""
    made = place.line.run("backup", "create", "--json")
    assert 0 == made.code, made.err
    settings, shape = settings_of(place), earlier_shape(folder)
    with looking(place.line) as connection:
        take_back(connection, shape)
    told, _ = manifest_of(place, Path(made.json["path"]))
    path = settings.backup_dir / f"earlier{ENDING}"
    engine = open_engine(settings.database_url.get_secret_value(), patient=True)
    try:
        with copied(engine, settings.backup_dir, settings.postgresql_programs, silent) as copy:
            told |= manifest.survey(copy.view, sorted(shape))._asdict()
            payload = creating._payload(copy, told["recipients"], silent, told)
            archive.write(path, payload, creating._closing(copy, notary_of(settings), told))
    finally:
        engine.dispose()
    Path(made.json["path"]).unlink()
    return path


def manifest_of(place: Place, path: Path) -> tuple[dict[str, Any], archive.Archive]:
    """Return what a backup says of itself, and its parts."""
    found = archive.read(path)
    return manifest.read(found.manifest, found.signature, notary_of(settings_of(place)).keys("system")), found


def told_otherwise(place: Place, path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Return a copy of a backup whose manifest was changed before it was signed."""
    told, found = manifest_of(place, path)
    change(told)
    spelled = manifest.spelled(told)
    signature = manifest.sign(notary_of(settings_of(place)), spelled)
    content = found.payload()

    def payload(sink: archive.Sink) -> None:
        while data := content.read(1 << 18):
            sink.write(data)
        content.close()

    other = path.with_name(f"otherwise-{sha256(spelled).hexdigest()[:12]}{ENDING}")
    archive.write(other, payload, lambda: (found.readme, spelled, signature))
    return other
