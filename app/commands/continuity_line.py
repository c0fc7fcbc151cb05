"""The command line about continuity: `caretrail continuity ...`. It imports its world when it runs."""

from typing import Annotated

import typer

continuity = typer.Typer(help="What a home works from when nothing can be shown.", no_args_is_help=True)


@continuity.callback()
def group() -> None:
    """What a home works from when nothing can be shown."""


@continuity.command()
def pack(
    home: Annotated[str | None, typer.Option(help="The id of one home; all by default.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write the result as one line of JSON.")] = False,
) -> None:
    """Write each home's emergency summaries, sealed, where the home wants them. Works beside a service."""
    from app.commands import packing

    packing.pack(home, as_json=as_json)
