"""The command line about running it: `caretrail doctor`. It imports its world when it runs."""

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Write the result as one line of JSON.")]


def doctor(as_json: Json = False) -> None:
    """Check clock, disk, keys, schema, trail, backups and more. Works beside a service; changes nothing."""
    from app.commands import examining

    raise typer.Exit(examining.doctor(as_json=as_json))
