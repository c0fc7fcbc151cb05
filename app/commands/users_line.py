"""The command line about users: `caretrail users ...`. It imports its world when it runs."""

from typing import Annotated

import typer

users = typer.Typer(help="Let somebody in who administers, and anybody back in.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Write the result as one line of JSON.")]


@users.command()
def add(
    role: Annotated[
        str, typer.Option(help="A role for the whole organisation: it_admin, privacy_officer, auditor ...")
    ],
    username: Annotated[str, typer.Option(help="The new user name.")],
    display_name: Annotated[
        str | None, typer.Option(help="The name colleagues see; otherwise the user name.")
    ] = None,
    organisation: Annotated[
        str | None, typer.Option(help="The organisation's id; not needed where there is one.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a user with a role for the whole organisation; prints a one-time password.

    For what no manager may give: the first it_admin. Works beside a running service.
    """
    from app.commands import adding

    adding.add(username, role, display_name, organisation, as_json=as_json)


@users.command()
def reset(
    username: Annotated[str, typer.Option(help="The user name, or the user's id.")],
    reason: Annotated[str, typer.Option(help="Who asked for it, and why. Stored sealed.")],
    reactivate: Annotated[
        bool, typer.Option("--reactivate", help="Also where somebody deactivated the account.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Give a user a new one-time password, even where nobody can sign in. Works beside a running service."""
    from app.commands import resetting

    resetting.reset(username, reason, reactivate=reactivate, as_json=as_json)
