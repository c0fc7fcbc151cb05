"""The command line about detection: `caretrail detect`. It imports its world when it runs."""

from typing import Annotated

import typer


def detect(
    since: Annotated[str, typer.Option(help="From when on: 2026-04-01 or 2026-04-01T08:00:00Z.")],
    organisation: Annotated[
        str | None, typer.Option("--organisation", help="The organisation's id; without it, all of them.")
    ] = None,
    raising: Annotated[bool, typer.Option("--raise", help="Raise alerts, too; twice adds nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write the result as one line of JSON.")] = False,
) -> None:
    """Judge the trail once more with the rules as they are now. Works beside a service; makes an entry."""
    from app.commands import detecting

    detecting.detect(since, organisation, raising=raising, as_json=as_json)
