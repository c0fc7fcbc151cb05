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

from app.commands.audit_line import trail
from app.commands.backup_line import backups
from app.commands.continuity_line import continuity
from app.commands.detection_line import detect
from app.commands.operations_line import doctor
from app.commands.replication_line import replication
from app.commands.residents_line import residents
from app.commands.users_line import users
from app.core import garbage, logs
from app.core.errors import CaretrailError, InvalidRequestError, StartRefusedError
from app.core.file_rights import kept_from

cli = typer.Typer(
    name="caretrail",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    pretty_exceptions_enable=False,
    add_completion=False,
)
organisations = typer.Typer(help="Providers beside the first.", no_args_is_help=True)
imports = typer.Typer(help="Bring records in from other systems.", no_args_is_help=True)
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


def _say_version(asked: bool) -> None:
    if asked:
        from app.trail.export_files import software

        sys.stdout.write(f"{software()}\n")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", is_eager=True, callback=_say_version, help="Say which version this is.")
]


@cli.callback()
def caretrail(version: Version = False) -> None:
    """Care records in which every read is an audit entry."""


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
    """Import a bundle: its Patient becomes a resident. Run twice, it adds nothing. Works beside a service.

    A large bundle comes in pieces. Where it breaks off, what came stays: run it again for the rest.
    """
    from app.commands import importing

    importing.import_fhir(file, home, as_json=as_json)


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
    garbage.seldom()
    logs.configure("warning")
    try:
        typer.main.get_command(cli)(prog_name="caretrail")
    except StartRefusedError as refused:
        _end(str(refused), 2)
    except InvalidRequestError as refused:
        _end("\n".join(_faults(refused)), 1)
    except CaretrailError as refused:
        _end(f"{refused.title}: {refused.detail} ({refused.why})", 1)
    except PermissionError as error:
        if not isinstance(error.filename, str):
            raise
        _end(kept_from(Path(error.filename)), 2)
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
