"""Database URLs: what they may be, and none that would send data unprotected.

Whatever asks a database of the operator's reads its URL here: no refusal repeats a part of a password.
"""

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

import psycopg
from psycopg.conninfo import make_conninfo
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from app.core.errors import StartRefusedError

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_AROUND = ("hostaddr", "service", "servicefile")
_AROUND_VARIABLES = ("PGHOSTADDR", "PGSERVICE")


def parsed_url(url: str) -> URL:
    """Return the parts of a `sqlite:///` or `postgresql+psycopg://` URL.

    Raises:
        StartRefusedError: The URL is not one of these, cannot be read, or would send data unprotected.
    """
    parsed = _parsed(_normal(url))
    if parsed.get_backend_name() == "sqlite":
        return parsed
    if parsed.drivername != "postgresql+psycopg":
        raise StartRefusedError("only SQLite and PostgreSQL (postgresql+psycopg://) are supported")
    _refuse_wrong_parameters(parsed)
    refuse_unprotected_network(parsed.render_as_string(hide_password=False))
    return parsed


def _normal(url: str) -> str:
    for short in ("postgres://", "postgresql://"):
        if url.startswith(short):
            return "postgresql+psycopg://" + url.removeprefix(short)
    return url


def _parsed(url: str) -> URL:
    """Return the parts of a URL. None of them is repeated where they cannot be told apart."""
    if not url.startswith("sqlite") and not _is_told_apart(url):
        raise StartRefusedError(
            "user name and password in the database URL have to be percent-encoded: `@` is written `%40`"
        )
    try:
        return make_url(url)
    except (ArgumentError, ValueError) as error:
        raise StartRefusedError(
            "CARETRAIL_DATABASE_URL or CARETRAIL_OWNER_DATABASE_URL is not a database URL: use"
            " sqlite:///PATH or postgresql+psycopg://..."
        ) from error


def _is_told_apart(url: str) -> bool:
    """Say whether the first `@` is the one that ends the password; else its rest is taken for the host.

    A later one may stand in the value of a parameter, in a path say. A parameter is one that libpq knows:
    of a password that holds a `?` nothing else would look like it.
    """
    place, _, query = url.partition("@")[2].partition("?")
    with_one = {part.partition("=")[0] for part in query.split("&") if "@" in part}
    known = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}
    return "@" not in place and with_one <= known


def _refuse_wrong_parameters(parsed: URL) -> None:
    try:
        make_conninfo("", **parsed.get_dialect()().create_connect_args(parsed)[1])
    except (ArgumentError, psycopg.ProgrammingError) as error:
        raise StartRefusedError(f"the database URL cannot be used: {error}".strip()) from error


def refuse_unprotected_network(url: str, environment: Mapping[str, str] = os.environ) -> None:
    """Refuse PostgreSQL over a network without `sslmode=verify-full`. There is no switch for this.

    Nor is there a way around the URL: the library would also go where these parameters and variables say.
    """
    parsed = make_url(url)
    if around := [name for name in _AROUND if name in parsed.query]:
        raise StartRefusedError(f"{around[0]} has no place in the database URL: name the server as its host")
    if around := [name for name in _AROUND_VARIABLES if environment.get(name)]:
        raise StartRefusedError(f"unset {around[0]}: the database URL alone says where the server is")
    named = parsed.query.get("host") or parsed.host or environment.get("PGHOST", "")
    hosts = [h for part in ([named] if isinstance(named, str) else named) for h in part.split(",")]
    local = all(h == "" or h.startswith("/") or _bare(h) in _LOOPBACK for h in hosts)
    if not local and parsed.query.get("sslmode") != "verify-full":
        raise StartRefusedError(
            "PostgreSQL over the network needs sslmode=verify-full and sslrootcert in the database URL"
        )


def _bare(host: str) -> str:
    return host if host.count(":") > 1 else (urlsplit(f"//{host}").hostname or "")
