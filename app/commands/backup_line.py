"""The command line about backups: `caretrail backup ...`. It imports its world when it runs."""

from pathlib import Path
from typing import Annotated

import typer

backups = typer.Typer(help="Make backups, check them, bring one back.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Write the result as one line of JSON.")]
Identity = Annotated[Path | None, typer.Option(help="The file of the age identity that opens backups.")]


@backups.command("create")
def backup_create(as_json: Json = False) -> None:
    """Make a backup now. Works beside a running service."""
    from app.commands import backing_up

    backing_up.create(as_json=as_json)


@backups.command("list")
def backup_list(as_json: Json = False) -> None:
    """Tell which backups there are and whether they count. Needs no database."""
    from app.commands import backing_up

    backing_up.listing(as_json=as_json)


@backups.command("verify")
def backup_verify(
    path: Annotated[Path | None, typer.Argument(help="A backup; the newest by default.")] = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """Read a whole backup and check all of it; with the identity its content, too. Writes nothing."""
    from app.commands import backing_up

    backing_up.verify(path, identity, as_json=as_json)


@backups.command("restore")
def backup_restore(
    path: Annotated[Path, typer.Argument(help="A backup.")],
    to: Annotated[Path, typer.Option(help="An empty folder: the new data directory.")],
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """Bring a backup back into an empty place. Checks all of it before it writes anything."""
    from app.commands import bringing_back

    bringing_back.restore(path, to, identity, as_json=as_json)


@backups.command("drill")
def backup_drill(
    path: Annotated[Path | None, typer.Argument(help="A backup; the newest by default.")] = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """Restore a copy, check it, serve it, sign in and read; what came of it is recorded."""
    from app.commands import drilling

    drilling.drill(path, identity, as_json=as_json)


@backups.command("offsite")
def backup_offsite(as_json: Json = False) -> None:
    """Send what is missing in the storage elsewhere. Works beside a running service."""
    from app.commands import sending_away

    sending_away.send(as_json=as_json)


@backups.command("fetch")
def backup_fetch(
    name: Annotated[str | None, typer.Argument(help="Which copy; the newest by default.")] = None,
    as_json: Json = False,
) -> None:
    """Fetch a copy from the storage elsewhere onto the shelf, and check its form. Needs no database."""
    from app.commands import sending_away

    sending_away.fetch(name, as_json=as_json)


@backups.command("identity")
def backup_identity(
    out: Annotated[Path, typer.Option(help="The file to write the secret half to; keep it elsewhere.")],
) -> None:
    """Make an age identity for backups, and print the recipient they are to be sealed for."""
    from app.commands import backing_up

    backing_up.identity(out)
