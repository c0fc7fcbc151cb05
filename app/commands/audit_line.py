"""The command line about the trail: `caretrail audit ...`. It imports its world when it runs."""

from pathlib import Path
from typing import Annotated

import typer

trail = typer.Typer(help="Check, export and sign the trail.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Write the result as one line of JSON.")]
Chain = Annotated[
    str | None, typer.Option("--organisation", help="The organisation's id; not needed where there is one.")
]
OneChain = Annotated[
    str | None, typer.Option("--organisation", help="Whose, by id; otherwise each one's, and system's.")
]


@trail.command()
def verify(
    state: Annotated[
        bool, typer.Option("--state", help="Compare rows, index and sealed values, too. Takes the root key.")
    ] = False,
    key: Annotated[
        list[str] | None, typer.Option(help="A verifier key from elsewhere: only given ones count then.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check every line, link, root and signature of every chain. Works beside a running service."""
    from app.commands import auditing

    raise typer.Exit(auditing.verify(state=state, keys=key or (), as_json=as_json))


@trail.command()
def export(
    out: Annotated[Path, typer.Option(help="The zip to write; one that exists is not replaced.")],
    organisation: Chain = None,
    family_of: Annotated[str | None, typer.Option(help="A resident's id: their access log, no more.")] = None,
    until: Annotated[str | None, typer.Option(help="Of that log: only before this day, 2026-04-01.")] = None,
) -> None:
    """Export a chain with its proofs and the verifier. Makes an entry. Works beside a running service."""
    from app.commands import auditing

    auditing.export(out, organisation, family_of, until)


@trail.command()
def checkpoint(organisation: OneChain = None) -> None:
    """Sign each chain as it stands and print the notes, to be kept by somebody else."""
    from app.commands import auditing

    auditing.checkpoint(organisation)


@trail.command()
def reindex(organisation: OneChain = None, as_json: Json = False) -> None:
    """Make the index and the nodes for proofs anew from the lines. As the owner of the tables."""
    from app.commands import reindexing

    reindexing.reindex(organisation, as_json=as_json)


@trail.command()
def recover(
    reason: Annotated[str, typer.Option(help="What happened to the newer database. Stored sealed.")],
    yes: Annotated[bool, typer.Option("--yes", help="It is lost for good: do not ask.")] = False,
    without_ledger: Annotated[
        bool, typer.Option("--without-ledger", help="So is the ledger of what ended in the lost lines.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Record that lines, or a guard, are lost for good, so that the service starts. Stop it before."""
    from app.commands import recovering

    recovering.recover(reason, yes=yes, without_ledger=without_ledger, as_json=as_json)


@trail.command()
def prune(
    before: Annotated[str, typer.Option(help="A day, 2018-04-01: closed months that end before it.")],
    reason: Annotated[str, typer.Option(help="Who decided it, and why. Stored sealed.")],
    organisation: Chain = None,
    everybody: Annotated[
        bool, typer.Option("--all", help="Every organisation's, and the deployment's own (system).")
    ] = False,
    as_json: Json = False,
) -> None:
    """Take entries out whose time is over; the rest still verifies. Writers wait: choose a quiet hour.

    Where there is one organisation the deployment's own chain (system) is pruned with it.
    """
    from app.commands import pruning

    pruning.prune(before, reason, organisation, everybody=everybody, as_json=as_json)


@trail.command()
def anchor(
    out: Annotated[Path, typer.Option(help="A folder, on a USB stick say; gets ORGANISATION/SIZE.note.")],
    as_json: Json = False,
) -> None:
    """Write the newest checkpoints for somebody else to keep. Works beside a running service."""
    from app.commands import anchoring

    anchoring.anchor(out, as_json=as_json)


@trail.command()
def sheet(
    out: Annotated[Path, typer.Option(help="The HTML file to write; one that exists is not replaced.")],
) -> None:
    """Write a page of the newest checkpoints to print, sign and file. Works beside a running service."""
    from app.commands import anchoring

    anchoring.print_sheet(out)
