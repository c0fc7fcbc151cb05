"""What `serve` refuses to be: unprotected, or several processes on SQLite."""

import re
import sqlite3
import ssl
from pathlib import Path
from typing import Any

import pytest

from app.commands.serving import refuse_exposed, refuse_workers, tls_context
from app.core.errors import StartRefusedError
from app.core.settings import Settings
from tests.unit.commands.certificates import write_certificate
from tests.unit.commands.conftest import Line

TLS = {"tls_cert": Path("cert.pem"), "tls_key": Path("key.pem")}


def _settings(**chosen: Any) -> Settings:
    return Settings(data_dir=Path("nowhere"), **chosen)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_plain_http_on_loopback(host: str) -> None:
    """On this machine alone plain HTTP is served."""
    refuse_exposed(_settings(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "care.example", "localhost.example"])
def test_plain_http_elsewhere_is_refused(host: str) -> None:
    """At any other address plain HTTP is refused, with what to do instead."""
    with pytest.raises(StartRefusedError, match=r"--tls-cert and --tls-key.*CARETRAIL_BEHIND_TLS_PROXY"):
        refuse_exposed(_settings(host=host))


@pytest.mark.parametrize("protection", [TLS, {"behind_tls_proxy": True}], ids=["tls", "proxy"])
def test_protected_address_is_served(protection: dict[str, Any]) -> None:
    """With TLS, or behind a proxy that is declared to end it, any address is served."""
    refuse_exposed(_settings(host="0.0.0.0", **protection))


@pytest.mark.parametrize("half", TLS)
def test_half_of_tls_is_refused(half: str) -> None:
    """A certificate without a key, or a key without a certificate, is a mistake."""
    with pytest.raises(StartRefusedError, match="both a certificate"):
        refuse_exposed(_settings(**{half: TLS[half]}))


def test_several_workers_want_postgresql() -> None:
    """SQLite has one writer: several processes are refused there, and not on PostgreSQL."""
    with pytest.raises(StartRefusedError, match="PostgreSQL"):
        refuse_workers(_settings(workers=2))
    refuse_workers(_settings(workers=2, database_url="postgresql+psycopg://localhost/care"))
    refuse_workers(_settings(workers=1))


def test_tls_is_1_2_or_newer(tmp_path: Path) -> None:
    """Older versions of TLS are not spoken, and no other protocol is offered."""
    cert, key = write_certificate(tmp_path)
    context = tls_context(_settings(tls_cert=cert, tls_key=key))

    assert ssl.TLSVersion.TLSv1_2 == context.minimum_version


@pytest.mark.parametrize("fault", ["missing", "no-certificate", "of-another", "with-password"])
def test_unusable_certificate_is_refused(tmp_path: Path, fault: str) -> None:
    """Files that are missing, damaged, of different pairs or locked are refused without asking."""
    cert, key = write_certificate(tmp_path, password=b"secret" if fault == "with-password" else None)
    if fault == "missing":
        key.unlink()
    if fault == "no-certificate":
        cert.write_text("nothing")
    if fault == "of-another":
        (tmp_path / "other").mkdir()
        key = write_certificate(tmp_path / "other")[1]

    with pytest.raises(StartRefusedError, match="cannot be used"):
        tls_context(_settings(tls_cert=cert, tls_key=key))


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("192.0.2.1", "Cannot assign requested address"),
        ("no.such.host.invalid", "Name or service not known|"),
    ],
)
def test_address_that_is_not_of_this_machine(
    founded: tuple[Line, dict[str, str]], host: str, told: str
) -> None:
    """Where nothing can listen the system's reason is told once, without Python's words around it."""
    line = Line(founded[0].data_dir, {"CARETRAIL_BEHIND_TLS_PROXY": "true"})
    refused = line.run("serve", "--host", host, "--port", "29999")

    assert (2, "") == (refused.code, refused.out)
    (sentence,) = [one for one in refused.err.splitlines() if not one.startswith("{")]
    assert re.fullmatch(rf"caretrail: cannot listen at {host} port 29999: ({told})[^(]*", sentence)


def test_refusal_comes_before_anything_is_made(line: Line) -> None:
    """`demo` and `serve` at an open address end with 2 and leave no data directory behind."""
    for command in ("demo", "serve"):
        told = line.run(command, "--host", "0.0.0.0")

        assert (2, "") == (told.code, told.out)
        assert "plain HTTP is served on this machine only" in told.err
    assert not line.data_dir.exists()


UNUSABLE = {
    "CARETRAIL_WEBHOOKS_CA": "nowhere/ca.pem",
    "CARETRAIL_BREACHED_PASSWORDS": "nowhere/breached.txt",
    "CARETRAIL_BACKUP_SCHEDULE": "x",
    "CARETRAIL_CONTINUITY_SCHEDULE": "0 0 30 2 *",
}


@pytest.mark.parametrize("variable", UNUSABLE)
def test_what_settings_name_is_looked_at_first(
    founded: tuple[Line, dict[str, str]], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """`serve`, `worker` and `doctor` refuse the same, by its name, wanted or not: one line, exit code 2."""
    line = Line(founded[0].data_dir, {variable: UNUSABLE[variable]})
    monkeypatch.setattr("app.commands.serving._alone", _served)
    monkeypatch.setattr("app.commands.recurring.open_service", _served)
    for command in ("serve", "worker", "doctor"):
        told = line.run(command)

        assert (2, "", 1) == (told.code, told.out, told.err.count("\n")), told.err
        assert told.err.startswith(f"caretrail: {variable} ")
        assert UNUSABLE[variable] in told.err or "is not a time-table" in told.err


def _served(*_: Any) -> None:
    pytest.fail("it was to be refused before")


def test_changed_protection_is_not_served(line: Line) -> None:
    """A database whose trigger was taken off is not served; the refusal and `audit verify` name it."""
    assert 0 == line.run("init", "--organisation", "Sample Care", "--admin", "a.sample").code
    with sqlite3.connect(line.data_dir / "caretrail.db") as database:
        database.execute("DROP TRIGGER audit_event_delete")
    database.close()
    refused, verified = line.run("serve"), line.run("audit", "verify", "--json")

    assert (2, True) == (refused.code, "trigger audit_event_delete is missing" in refused.err)
    assert (1, ["trigger audit_event_delete is missing"]) == (
        verified.code,
        verified.json["schema"]["differences"],
    )


def test_the_version_is_told_without_settings(line: Line) -> None:
    """Which version this is can be asked where nothing is set up, and nothing is made by asking."""
    line.variables["CARETRAIL_PORT"] = "no number"
    told = line.run("--version")

    assert (0, True, "") == (told.code, told.out.startswith("caretrail "), told.err)
    assert not line.data_dir.exists()
