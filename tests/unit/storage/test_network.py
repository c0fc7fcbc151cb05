"""PostgreSQL over a network is protected, whichever way its address is given."""

import pytest

from app.core.errors import StartRefusedError
from app.storage.urls import refuse_unprotected_network

LOCAL = "postgresql+psycopg://api:secret@localhost:5432/care"
UNPROTECTED = [
    ("postgresql+psycopg://api@db.example/care", {}, "sslmode=verify-full"),
    ("postgresql+psycopg://api@db.example/care?sslmode=require", {}, "sslmode=verify-full"),
    ("postgresql+psycopg://api@/care?host=/run/postgresql,db.example", {}, "sslmode=verify-full"),
    ("postgresql+psycopg://api@/care", {"PGHOST": "db.example"}, "sslmode=verify-full"),
    (f"{LOCAL}?hostaddr=10.1.1.1", {}, "hostaddr"),
    (f"{LOCAL}?service=care", {}, "service"),
    (f"{LOCAL}?servicefile=/etc/services", {}, "servicefile"),
    (LOCAL, {"PGHOSTADDR": "10.1.1.1"}, "unset PGHOSTADDR"),
    (LOCAL, {"PGSERVICE": "care"}, "unset PGSERVICE"),
    ("postgresql+psycopg://api@db.example/care?sslmode=verify-full", {"PGHOSTADDR": "10.1.1.1"}, "unset"),
]
PROTECTED = [
    (LOCAL, {}),
    (LOCAL, {"PGHOST": "db.example"}),
    ("postgresql+psycopg://api@[::1]/care", {}),
    ("postgresql+psycopg://api@/care", {"PGHOST": "/run/postgresql"}),
    ("postgresql+psycopg://api@/care", {}),
    ("postgresql+psycopg://api@db.example/care?sslmode=verify-full", {}),
]


@pytest.mark.parametrize(("url", "environment", "told"), UNPROTECTED)
def test_no_address_leads_around_the_rule(url: str, environment: dict[str, str], told: str) -> None:
    """What the library would read besides the host is refused, and the sentence says what to change."""
    with pytest.raises(StartRefusedError) as refused:
        refuse_unprotected_network(url, environment)
    assert told in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(("url", "environment"), PROTECTED)
def test_this_machine_and_verified_servers_are_taken(url: str, environment: dict[str, str]) -> None:
    """A socket, loopback, or a server whose certificate is verified."""
    refuse_unprotected_network(url, environment)
