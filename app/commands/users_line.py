"""The command line about users: `caretrail users ...`. It imports its world when it runs."""

from typing import Annotated

import typer

users = typer.Typer(help="Let somebody back in.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Write the result as one line of JSON.")]


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
