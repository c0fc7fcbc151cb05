"""The command line about residents: `caretrail residents ...`. It imports its world when it runs."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from app.core.errors import InvalidRequestError

residents = typer.Typer(
    help="Copies for residents, how long records are kept, and files that forget.", no_args_is_help=True
)

access = typer.Typer(help="Requests for access: open one, or extend, answer, list.")
residents.add_typer(access, name="access-request")

Organisation = Annotated[
    str | None, typer.Option("--organisation", help="The organisation's id; not needed where there is one.")
]
Json = Annotated[bool, typer.Option("--json", help="Write the result as one line of JSON.")]


@residents.command()
def hold(
    resident: Annotated[str, typer.Option(help="The resident's id.")],
    reason: Annotated[str, typer.Option(help="Why the record must be kept, or no longer. Stored sealed.")],
    lift: Annotated[bool, typer.Option("--lift", help="Lift the hold there is.")] = False,
    as_json: Json = False,
) -> None:
    """Keep a resident's record whatever its retention date, for an inquiry say. Works beside a service."""
    from app.commands import retaining

    retaining.hold(resident, reason, lift=lift, as_json=as_json)


@residents.command()
def scrub(as_json: Json = False) -> None:
    """Make the database's files forget destroyed keys. On PostgreSQL as the owner of the tables."""
    from app.commands import retaining

    retaining.scrub(as_json=as_json)


@residents.command()
def export(
    resident: Annotated[str, typer.Option(help="The resident's id.")],
    out: Annotated[
        Path | None, typer.Option(help="The zip to write; one that exists is not replaced.")
    ] = None,
    redactions: Annotated[
        Path | None, typer.Option(help="What is withheld: a worksheet that somebody filled in.")
    ] = None,
    worksheet: Annotated[
        Path | None, typer.Option(help="Write this worksheet first, and no copy: JSON with all texts.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Copy everything held about a resident, for them (subject access). Works beside a service."""
    from app.commands import disclosing

    if worksheet is not None and out is None and redactions is None:
        disclosing.write_worksheet(resident, worksheet, as_json=as_json)
    elif out is not None and worksheet is None:
        disclosing.export(resident, out, redactions, as_json=as_json)
    else:
        raise InvalidRequestError(detail="give --out for the copy, or --worksheet before it")


@residents.command()
def schedule(
    what: Annotated[str | None, typer.Argument(help="care_record, or a category of records.")] = None,
    years: Annotated[
        int | None, typer.Option(help="Keep it for so many years after the end of care.")
    ] = None,
    source: Annotated[str, typer.Option(help="Who says so: a code, a contract, a decision.")] = "",
    organisation: Organisation = None,
    as_json: Json = False,
) -> None:
    """Show how long records are kept; with WHAT and --years, change it. Earlier editions are kept."""
    from app.commands import keeping_records

    if what is None and years is None:
        keeping_records.show_schedule(organisation, as_json=as_json)
    elif what is not None and years is not None:
        keeping_records.set_rule(organisation, what, years, source, as_json=as_json)
    else:
        raise InvalidRequestError(detail="a change takes WHAT, --years and --source")


@residents.command()
def due(organisation: Organisation = None, as_json: Json = False) -> None:
    """List whose records need not be kept any longer by date, and what waits for a colleague to agree."""
    from app.commands import keeping_records

    keeping_records.list_due(organisation, as_json=as_json)


@residents.command()
def review(
    resident: Annotated[str, typer.Option(help="The resident's id.")],
    decision: Annotated[Literal["destroy", "continue", "preserve"], typer.Option(help="What is proposed.")],
    reason: Annotated[str, typer.Option(help="Why. Stored sealed.")],
    until: Annotated[str | None, typer.Option(help="With continue: until this day, 2030-04-01.")] = None,
    as_json: Json = False,
) -> None:
    """Propose what becomes of a record whose time is over. To keep it holds at once."""
    from app.commands import keeping_records

    keeping_records.review(resident, decision, until, reason, as_json=as_json)


@residents.command()
def agree(
    review_id: Annotated[str, typer.Argument(metavar="REVIEW", help="The review's id.")],
    as_json: Json = False,
) -> None:
    """Agree that a record is kept, as another operating user proposed. Nothing is destroyed by a command."""
    from app.commands import keeping_records

    keeping_records.agree(review_id, as_json=as_json)


@access.callback(invoke_without_command=True)
def access_open(
    context: typer.Context,
    resident: Annotated[str | None, typer.Option(help="The resident's id.")] = None,
    received: Annotated[str | None, typer.Option(help="The day the request came, 2026-04-01.")] = None,
    as_json: Json = False,
) -> None:
    """Note a request for a copy of what is held: it is due within one month. Or extend, answer, list."""
    from app.commands import keeping_records

    if context.invoked_subcommand is not None:
        return
    if resident is None or received is None:
        raise InvalidRequestError(detail="give --resident and --received, or one of extend, answer, list")
    keeping_records.open_request(resident, received, as_json=as_json)


@access.command("extend")
def access_extend(
    request: Annotated[str, typer.Argument(help="The request's id.")],
    reason: Annotated[str, typer.Option(help="Why it is complex. Stored sealed; tell whoever asked.")],
    as_json: Json = False,
) -> None:
    """Take two months more, within the first month."""
    from app.commands import keeping_records

    keeping_records.extend_request(request, reason, as_json=as_json)


@access.command("answer")
def access_answer(
    request: Annotated[str, typer.Argument(help="The request's id.")], as_json: Json = False
) -> None:
    """Note that the copy was handed over."""
    from app.commands import keeping_records

    keeping_records.answer_request(request, as_json=as_json)


@access.command("list")
def access_list(
    everything: Annotated[bool, typer.Option("--all", help="Those that were answered, too.")] = False,
    organisation: Organisation = None,
    as_json: Json = False,
) -> None:
    """List the requests that wait, the most urgent first, with the days that are left."""
    from app.commands import keeping_records

    keeping_records.list_requests(organisation, also_answered=everything, as_json=as_json)
