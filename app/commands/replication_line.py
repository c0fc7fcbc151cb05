"""The command line about standbys: `caretrail replication ...`. It imports its world when it runs."""

from typing import Annotated

import typer

replication = typer.Typer(help="PostgreSQL with a standby: who waits for whom.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Write the result as one line of JSON.")]


@replication.command()
def status(as_json: Json = False) -> None:
    """Tell where each server stands and whom commits wait for. Works beside a service; changes nothing."""
    from app.commands import replicating

    raise typer.Exit(replicating.status(as_json=as_json))


@replication.command()
def degrade(
    reason: Annotated[str, typer.Option(help="Why one server has to do, and who decided. Stored sealed.")],
    as_json: Json = False,
) -> None:
    """Go on with one server: commits wait for no standby. An entry says so. Works beside a service."""
    from app.commands import replicating

    replicating.degrade(reason, as_json=as_json)


@replication.command()
def restore(
    standbys: Annotated[
        str | None, typer.Option(help="Whom to wait for: 'ANY 1 (a, b)'. By default as it was before.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Let commits wait for a standby again, once one streams. An entry says so. Works beside a service."""
    from app.commands import replicating

    replicating.restore(standbys, as_json=as_json)
