"""`caretrail migrate`: bring the schema to the revision this version works with."""

from sqlalchemy.exc import DBAPIError

from app.commands.opening import engine_at, first_line, refuse_lost_file
from app.commands.starting import begin
from app.commands.telling import result
from app.core.errors import StartRefusedError
from app.storage.migration import migrate


def bring_up(**chosen: object) -> None:
    """Migrate, as the owner of the tables, and tell from where to where.

    Raises:
        StartRefusedError: The database did not take it; what had been begun was rolled back. Or it is lost.
    """
    settings = begin(**chosen)
    refuse_lost_file(settings)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    try:
        with engine_at(settings.owner_database_url.get_secret_value()) as engine:
            before, after = migrate(engine)
    except DBAPIError as error:
        raise StartRefusedError(
            f"the database did not take the migration: {first_line(error)}. Nothing of it was kept."
        ) from error
    result(
        {"before": before, "after": after},
        f"the schema is at {after}" + ("" if before == after else f" (it was at {before or 'nothing'})"),
        as_json=False,
    )
