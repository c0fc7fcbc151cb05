"""The command line `caretrail`: what can be asked, and how an answer ends.

Results go to standard output, progress and errors to standard error. A command imports its world only
when it runs. Ends with 0 when it was done, 1 when it was refused or failed, 2 when it would not start
like this; `audit verify` with the codes of the verifier: 0 intact, 1 tampered, 2 cannot vouch,
3 unreadable.
"""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from app.commands.backup_line import backups
from app.commands.continuity_line import continuity
from app.commands.detection_line import detect
from app.commands.operations_line import doctor
from app.commands.replication_line import replication
from app.commands.residents_line import residents
from app.commands.users_line import users
from app.core import logs
from app.core.errors import CaretrailError, InvalidRequestError, StartRefusedError

cli = typer.Typer(
    name="caretrail",
    help="Care records in which every read is an audit entry.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    pretty_exceptions_enable=False,
    add_completion=False,
)
organisations = typer.Typer(help="Providers beside the first.", no_args_is_help=True)
imports = typer.Typer(help="Bring records in from other systems.", no_args_is_help=True)
trail = typer.Typer(help="Check, export and sign the trail.", no_args_is_help=True)
keys = typer.Typer(help="The keys that everything is sealed with.", no_args_is_help=True)
cli.add_typer(organisations, name="organisation")
cli.add_typer(residents, name="residents")
cli.add_typer(users, name="users")
cli.add_typer(imports, name="import")
cli.add_typer(trail, name="audit")
cli.add_typer(keys, name="keys")
cli.add_typer(backups, name="backup")
cli.add_typer(replication, name="replication")
cli.add_typer(continuity, name="continuity")
cli.command()(doctor)
cli.command()(detect)

Json = Annotated[bool, typer.Option("--json", help="Write the result as one line of JSON.")]
DataDir = Annotated[Path | None, typer.Option(help="Where the service keeps what it writes.")]
Host = Annotated[str | None, typer.Option(help="The address to listen at.")]
Port = Annotated[int | None, typer.Option(help="The port to listen at.")]
Provider = Annotated[str, typer.Option("--organisation", help="The provider's name.")]
Admin = Annotated[str, typer.Option(help="The user name of its first registered manager.")]
Kind = Literal["signing", "root", "organisation"]
Keeper = Literal["file", "transit"]
Chain = Annotated[
    str | None, typer.Option("--organisation", help="The organisation's id; not needed where there is one.")
]


@cli.command()
def serve(
    data_dir: DataDir = None,
    host: Host = None,
    port: Port = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain (PEM).")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="The certificate's key (PEM).")] = None,
    workers: Annotated[int | None, typer.Option(help="Serving processes (PostgreSQL).")] = None,
) -> None:
    """Serve the API until told to stop."""
    from app.commands import serving

    serving.serve(
        data_dir=data_dir, host=host, port=port, tls_cert=tls_cert, tls_key=tls_key, workers=workers
    )


@cli.command()
def worker() -> None:
    """Run recurring jobs until told to stop, beside serving processes that leave them to it."""
    from app.commands import recurring

    recurring.work()


@cli.command()
def migrate() -> None:
    """Bring the database's schema to this version. Safe to run twice.

    Restart a service that runs at once: it goes on answering, but may no longer sign, index or detect.
    From then on only this version starts, no older one.
    """
    from app.commands import migrating

    migrating.bring_up()


@cli.command()
def init(organisation: Provider, admin: Admin, as_json: Json = False) -> None:
    """Make the keys, the first organisation and its first user; prints a one-time password."""
    from app.commands import founding

    founding.init(organisation, admin, as_json=as_json)


@organisations.command("add")
def organisation_add(organisation: Provider, admin: Admin, as_json: Json = False) -> None:
    """Make another organisation and its first user. Works beside a running service."""
    from app.commands import founding

    founding.add_organisation(organisation, admin, as_json=as_json)


@cli.command()
def demo(data_dir: DataDir = None, host: Host = None, port: Port = None, as_json: Json = False) -> None:
    """Make a sample provider with invented people, and serve it. Run again, it serves what is there."""
    from app.commands.demo import demo as serve_sample

    serve_sample(data_dir, host, port, as_json=as_json)


@imports.command("fhir")
def import_fhir(
    file: Annotated[Path, typer.Argument(help="A FHIR R4 Bundle as JSON.")],
    home: Annotated[str, typer.Option(help="The id of the home the people come to.")],
    as_json: Json = False,
) -> None:
    """Import a bundle: its Patient becomes a resident. Run twice, it adds nothing. Works beside a service."""
    from app.commands import importing

    importing.import_fhir(file, home, as_json=as_json)


@trail.command("verify")
def audit_verify(
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


@trail.command("export")
def audit_export(
    out: Annotated[Path, typer.Option(help="The zip to write; one that exists is not replaced.")],
    organisation: Chain = None,
    family_of: Annotated[str | None, typer.Option(help="A resident's id: their access log, no more.")] = None,
    until: Annotated[str | None, typer.Option(help="Of that log: only before this day, 2026-04-01.")] = None,
) -> None:
    """Export a chain with its proofs and the verifier. Makes an entry. Works beside a running service."""
    from app.commands import auditing

    auditing.export(out, organisation, family_of, until)


@trail.command("checkpoint")
def audit_checkpoint(organisation: Chain = None) -> None:
    """Sign each chain as it stands and print the notes, to be kept by somebody else."""
    from app.commands import auditing

    auditing.checkpoint(organisation)


@trail.command("reindex")
def audit_reindex(organisation: Chain = None, as_json: Json = False) -> None:
    """Make the index and the nodes for proofs anew from the lines. As the owner of the tables."""
    from app.commands import reindexing

    reindexing.reindex(organisation, as_json=as_json)


@trail.command("recover")
def audit_recover(
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


@trail.command("prune")
def audit_prune(
    before: Annotated[str, typer.Option(help="A day, 2018-04-01: closed months that end before it.")],
    reason: Annotated[str, typer.Option(help="Who decided it, and why. Stored sealed.")],
    organisation: Chain = None,
    as_json: Json = False,
) -> None:
    """Take entries out whose time is over; the rest still verifies. Writers wait: choose a quiet hour."""
    from app.commands import pruning

    pruning.prune(before, reason, organisation, as_json=as_json)


@trail.command("anchor")
def audit_anchor(
    out: Annotated[Path, typer.Option(help="A folder, on a USB stick say; gets ORGANISATION/SIZE.note.")],
    as_json: Json = False,
) -> None:
    """Write the newest checkpoints for somebody else to keep. Works beside a running service."""
    from app.commands import anchoring

    anchoring.anchor(out, as_json=as_json)


@trail.command("sheet")
def audit_sheet(
    out: Annotated[Path, typer.Option(help="The HTML file to write; one that exists is not replaced.")],
) -> None:
    """Write a page of the newest checkpoints to print, sign and file. Works beside a running service."""
    from app.commands import anchoring

    anchoring.print_sheet(out)


@keys.command("rotate")
def keys_rotate(
    kind: Annotated[Kind, typer.Argument(help="Which key.")] = "signing",
    overlap: Annotated[
        int | None, typer.Option(min=1, max=366, help="For how many days both signing keys sign: 30.")
    ] = None,
    organisation: Annotated[str | None, typer.Option(help="Whose key; otherwise each one's.")] = None,
    to: Annotated[Keeper | None, typer.Option(help="Who keeps the root key from now on.")] = None,
    as_json: Json = False,
) -> None:
    """Make new keys. Works beside a running service, which takes them up in seconds."""
    from app.commands import keeping, rewrapping

    for option, given, belongs_to in (
        ("--overlap", overlap, "signing"),
        ("--organisation", organisation, "organisation"),
        ("--to", to, "root"),
    ):
        if given is not None and kind != belongs_to:
            raise typer.BadParameter(f"goes with `keys rotate {belongs_to}` alone", param_hint=option)
    if kind == "organisation":
        rewrapping.rotate_organisation(organisation, as_json=as_json)
    elif kind == "root":
        keeping.rotate_root(to, as_json=as_json)
    else:
        keeping.rotate(overlap or keeping.OVERLAP_DAYS, as_json=as_json)


@keys.command("status")
def keys_status(as_json: Json = False) -> None:
    """Say which keys there are and whether they fit the database. Shows no key."""
    from app.commands import keeping

    keeping.status(as_json=as_json)


@cli.command(hidden=True)
def ready() -> None:
    """Ask the service on this machine whether it would serve. For container health checks."""
    from app.commands import probing

    raise typer.Exit(probing.ready())


def main() -> None:
    """Run the command line. No traceback is printed: an unforeseen error is a line of the log."""
    logs.configure("warning")
    try:
        typer.main.get_command(cli)(prog_name="caretrail")
    except StartRefusedError as refused:
        _end(str(refused), 2)
    except InvalidRequestError as refused:
        _end("\n".join(_faults(refused)), 1)
    except CaretrailError as refused:
        _end(f"{refused.title}: {refused.detail} ({refused.why})", 1)
    except KeyboardInterrupt:
        sys.exit(130)


def _faults(refused: InvalidRequestError) -> list[str]:
    """Return what is wrong: the fields with their faults, and a sentence that is about more than them."""
    told = [f"{pointer.lstrip('/')}: {fault}" if pointer else fault for pointer, fault in refused.errors]
    return told if told and refused.detail == InvalidRequestError.detail else [refused.detail, *told]


def _end(message: str, code: int) -> None:
    sys.stderr.write(f"caretrail: {message}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
