"""What a database URL may be: what cannot be read is refused in words that repeat nothing of it."""

import pytest

from app.core.errors import StartRefusedError
from app.storage.engine import open_engine
from app.storage.servers import Address, line_at, survey
from app.storage.urls import parsed_url

REFUSED = {
    "postgresql+psycopg://api:hunter@2026x@127.0.0.1/care": "percent-encoded",
    "postgresql://api:hunter@2026x:5@127.0.0.1/care": "percent-encoded",
    "postgresql+psycopg://api:hunter@2026x/5@127.0.0.1/care": "percent-encoded",
    "postgresql+psycopg://api:hunter@2026x?5@127.0.0.1/care": "percent-encoded",
    "postgresql+psycopg://api:hunter@127.0.0.1:2026x/care": "not a database URL",
    "postgresql+psycopg://api:hunter@[::1/care2026x": "not a database URL",
    "postgresql+psycopg://api:hunter@127.0.0.1/care?ssl_mode=2026x": 'invalid connection option "ssl_mode"',
    "postgresql+psycopg://api:hunter@127.0.0.1/care?sslmod=2026x": '"sslmod"',
    "postgresql+psycopg://api:hunter@127.0.0.1/care?port=five": "non-integer port",
    "postgresql+psycopg://api:hun?ter@2026x@127.0.0.1/care": "percent-encoded",
    "postgresql+psycopg://api:hunter@2026x?five=5@127.0.0.1/care": "percent-encoded",
}
READ_BY = {"the engine": open_engine, "a look at its servers": survey, "restores and drills": parsed_url}


@pytest.mark.parametrize("reader", READ_BY)
@pytest.mark.parametrize("url", REFUSED)
def test_a_url_that_cannot_be_read_is_refused(url: str, reader: str) -> None:
    """A slip in it is told before anything is asked for the host, and no part of a password with it."""
    with pytest.raises(StartRefusedError) as refused:
        READ_BY[reader](url)

    assert REFUSED[url] in str(refused.value)
    assert not {"hunter", "2026x"} & {part for part in ("hunter", "2026x") if part in str(refused.value)}


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://api:hunter%402026x@127.0.0.1:5432/care?sslmode=prefer",
        "postgresql://api@/care?host=/run/postgresql&port=5432&target_session_attrs=read-write",
        "postgresql://api@/care?host=localhost,127.0.0.1&port=5432,5432&connect_timeout=2",
        "postgresql+psycopg://api:hunter@localhost/care?sslrootcert=/etc/ca@home.pem&sslcert=/etc/api@care.pem",
        "postgresql+psycopg://api:hun?ter@localhost/care?application_name=api@care",
        "sqlite:////srv/a@b/c@d/care.db",
    ],
)
def test_a_url_that_can_be_read_is_taken(url: str) -> None:
    """An encoded password, parameters that the library knows, and any path of a file."""
    open_engine(url).dispose()


UNPROTECTED = "postgresql+psycopg://api:hunter@192.0.2.1/care"


def test_nobody_is_asked_without_protection() -> None:
    """Not only the engine: also a look at servers sends no password over a network without TLS."""
    for ask in (survey, lambda url: line_at(url, Address("192.0.2.1", None))):
        with pytest.raises(StartRefusedError, match="sslmode=verify-full"):
            ask(UNPROTECTED)
