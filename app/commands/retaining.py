"""`caretrail residents ...`: hold a record back from erasure, and make files forget erased ones."""

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from app.commands.calling import present, sign_what_moved
from app.commands.opening import NOT_OWNER, engine_at, first_line, open_service, refuse_no_file
from app.commands.reasons import check_reason
from app.commands.starting import begin
from app.commands.telling import result
from app.core.errors import NotFoundError, StartRefusedError
from app.main import Service
from app.residents.holding import HOLD, LIFT, SetHold
from app.residents.table import resident
from app.storage.forgetting import StillReadError, write_anew
from app.storage.guard import carrying

_FORGOTTEN = "nothing that was overwritten is left in the database's files"
_BUSY = "the files still hold what was overwritten: somebody reads an older state. Try again."


def hold(resident_id: str, reason: str, *, lift: bool, as_json: bool) -> None:
    """Put a hold on a resident's record, or lift it.

    Raises:
        InvalidRequestError: There is no reason.
        NotFoundError: There is no such resident.
        ConflictError: It is held already, or not.
    """
    check_reason(reason)
    with open_service(begin()) as service:
        org = organisation_of(service, resident_id)
        work = SetHold(resident_id, not lift, reason.strip())
        told = present(service, org, LIFT if lift else HOLD, work, "caretrail residents hold")
        sign_what_moved(service)
    how = "is not held any more" if lift else "is held until the hold is lifted"
    result(told, f"the record of resident {resident_id} {how}", as_json=as_json)


def organisation_of(service: Service, resident_id: str) -> str:
    """Return whose resident it is.

    Raises:
        NotFoundError: Nobody's.
    """
    with service.engine.connect() as connection, carrying(connection, "hold"):
        org = connection.execute(select(resident.c.org).where(resident.c.id == resident_id)).scalar()
    if org is None:
        raise NotFoundError("There is no resident with this id.", why="resident-not-found")
    return str(org)


def scrub(*, as_json: bool) -> None:
    """Make the files of the database forget what was overwritten in it, destroyed keys above all.

    Raises:
        StartRefusedError: It was not done; the message says why.
    """
    settings = begin()
    refuse_no_file(settings)
    try:
        with engine_at(settings.owner_database_url.get_secret_value()) as engine:
            done = write_anew(engine)
    except StillReadError as error:
        raise StartRefusedError(_BUSY) from error
    except DBAPIError as error:
        raise StartRefusedError(f"the tables were not written anew: {first_line(error)}") from error
    if not done:
        raise StartRefusedError(NOT_OWNER)
    result({"scrubbed": True}, _FORGOTTEN, as_json=as_json)
