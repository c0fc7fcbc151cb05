"""`caretrail residents export`: everything held about a resident, for them; and the worksheet before it."""

import asyncio
from pathlib import Path
from typing import BinaryIO

import orjson

from app.access.visit import VisitRefusedError
from app.commands.calling import Caller, sign_what_moved
from app.commands.given_files import content, naming
from app.commands.opening import open_service
from app.commands.retaining import organisation_of
from app.commands.starting import begin
from app.commands.telling import remark, result
from app.commands.written_files import refuse_place, scratch_beside, whole
from app.exchange.redacting import Decided, read_decided
from app.exchange.subject_copy import NOT_PRINTED, SubjectCopy
from app.exchange.subject_reading import Shelf
from app.exchange.subject_worksheet import worksheet
from app.main import Service

COMMAND = "caretrail residents export"
MOST_BYTES = 64 * 1024 * 1024
_UNDECIDED = (
    "Nothing about other people was withheld: nobody decided. Write a worksheet with --worksheet, decide, and"
    " hand it back with --redactions."
)


def export(resident_id: str, out: Path, redactions: Path | None, *, as_json: bool) -> None:
    """Write a copy of everything held about a resident; `out` is there only when it is whole.

    Raises:
        InvalidRequestError: The file is there already or cannot be written, or the redactions do not fit.
        NotFoundError: There is no such resident, or they were erased.
    """
    refuse_place(out)
    decided = _decided(redactions, resident_id) if redactions is not None else None
    with open_service(begin()) as service:
        org = organisation_of(service, resident_id)
        sign_what_moved(service)
        made = _write_whole(service, org, resident_id, decided, out)
        sign_what_moved(service)
    told = {"path": str(out), "records": sum(made.counts.values()), "withheld": made.redactor.places}
    result(told, f"{out}: {told['records']} records, {told['withheld']} places withheld", as_json=as_json)
    if made.unprinted:
        remark(f"{', '.join(made.unprinted)}: {NOT_PRINTED}")
    if decided is None:
        remark(_UNDECIDED)


def write_worksheet(resident_id: str, out: Path, *, as_json: bool) -> None:
    """Write the worksheet on which a person decides what is withheld.

    Raises:
        InvalidRequestError: The file is there already, or cannot be written.
        NotFoundError: There is no such resident, or they were erased.
    """
    refuse_place(out)
    with open_service(begin()) as service:
        org = organisation_of(service, resident_id)
        sign_what_moved(service)
        try:
            with whole(out) as file:
                sheet = asyncio.run(worksheet(Caller(service, org, COMMAND).do, resident_id))
                file.write(orjson.dumps(sheet, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        except VisitRefusedError as refused:
            raise refused.error from refused
        sign_what_moved(service)
    told = {"path": str(out), "people": len(sheet["people"]), "texts": len(sheet["texts"])}
    text = f"{out}: {told['people']} other people named, {told['texts']} texts"
    result(told, text, as_json=as_json)
    remark("Keep it as safe as the records, and delete it when the copy is made.")


def _decided(redactions: Path, resident_id: str) -> Decided:
    given = content(redactions, MOST_BYTES)
    with naming(redactions):
        return read_decided(given, resident_id)


def _write_whole(
    service: Service, org: str, resident_id: str, decided: Decided | None, out: Path
) -> SubjectCopy:
    serve = Caller(service, org, COMMAND).do
    try:
        with (
            whole(out) as file,
            scratch_beside(out) as scratch,
            scratch_beside(out) as held,
        ):
            made = SubjectCopy(
                serve, service.notary, service.guards, org, resident_id, decided, scratch, Shelf(held)
            )
            asyncio.run(_write(made, file))
    except VisitRefusedError as refused:
        raise refused.error from refused
    return made


async def _write(made: SubjectCopy, file: BinaryIO) -> None:
    async for piece in made.stream():
        file.write(piece)
