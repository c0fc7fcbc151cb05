"""`caretrail import fhir`: the people of a bundle come into a home."""

from pathlib import Path
from typing import Any

from sqlalchemy import select

from app.commands.calling import present, sign_what_moved
from app.commands.given_files import content, naming
from app.commands.opening import open_service
from app.commands.starting import begin
from app.commands.telling import remark, result
from app.core.errors import CaretrailError, NotFoundError
from app.exchange.bundle import load
from app.exchange.drafts import Plan
from app.exchange.fhir import plan
from app.exchange.importing import IMPORT, ImportBundle
from app.exchange.pieces import pieces_of
from app.exchange.run_report import Report
from app.identity.table import home
from app.main import Service
from app.storage.guard import carrying

MOST_BYTES = 256 * 1024 * 1024
_BROKEN_OFF = (
    "The import broke off: {} records were made. Run it again; what is there is found, the rest is added."
)


def import_fhir(file: Path, home_id: str, *, as_json: bool) -> None:
    """Import a file and tell what became of each resource; nothing is dropped in silence.

    Raises:
        InvalidRequestError: It is no bundle.
        NotFoundError: There is no such home.
    """
    with open_service(begin()) as service:
        org = organisation_of(service, home_id)
        given = content(file, MOST_BYTES)
        with naming(file):
            planned = plan(load(given), service.clock.now())
        report = _carry_out(service, org, planned, home_id).plain()
        sign_what_moved(service)
    result(report, _in_words(report), as_json=as_json)
    if not as_json:
        _list("not imported", [(one["resource"], one["reason"]) for one in report["not_imported"]])
        _list("remarks", [(one["resource"], one["remark"]) for one in report["remarks"]])
        _list(
            "changed since it was imported, not applied", [(key, "") for key in report["changed_not_applied"]]
        )


def _carry_out(service: Service, org: str, planned: Plan, home_id: str) -> Report:
    """Import a plan piece by piece.

    Raises:
        CaretrailError: A piece was refused or failed; those before it stand, as is told.
    """
    report = Report()
    for number, piece in enumerate(pieces_of(planned)):
        work = ImportBundle(piece, home_id, report.medications)
        try:
            present(service, org, IMPORT, work, "caretrail import fhir")
        except CaretrailError:
            if number:
                remark(_BROKEN_OFF.format(len(report.created)))
            raise
        report.add(work.report)
    return report


def organisation_of(service: Service, home_id: str) -> str:
    """Return whose home it is.

    Raises:
        NotFoundError: Nobody's.
    """
    with service.engine.connect() as connection, carrying(connection, "import"):
        org = connection.execute(select(home.c.org).where(home.c.id == home_id)).scalar()
    if org is None:
        raise NotFoundError("There is no home with this id. GET /v1/homes lists them.", why="home-not-found")
    return str(org)


def _in_words(report: dict[str, Any]) -> str:
    residents = "\n".join(
        f"resident {one['id']} {one['status']} ({one['resource']})" for one in report["residents"]
    )
    return (
        f"{residents or 'no resident'}\n"
        f"{report['records_created']} records made, {report['records_unchanged']} were there already,"
        f" {len(report['changed_not_applied'])} changed and not applied,"
        f" {len(report['not_imported'])} not imported"
    )


def _list(title: str, lines: list[tuple[str, str]]) -> None:
    if lines:
        remark(f"\n{title}:")
    for resource, text in lines:
        remark(f"  {resource}  {text}".rstrip())
