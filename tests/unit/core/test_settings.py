"""Settings are read once, from variables or files, and nothing ambiguous is guessed."""

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.core.errors import StartRefusedError
from app.core.settings import Settings, load, variable_of
from app.core.settings_table import settings_table

SECRET = "postgresql+psycopg://service:hunter2@localhost/caretrail"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(variable_of(name), raising=False)


def test_defaults_serve_on_this_machine_alone() -> None:
    """Without any variable: SQLite and keys below the data directory, plain HTTP on loopback."""
    settings = load()

    assert "sqlite:///caretrail-data/caretrail.db" == settings.database_url.get_secret_value()
    assert settings.database_url == settings.owner_database_url
    assert (Path("caretrail-data/keys"), Path("caretrail-data/guard")) == (
        settings.keys_dir,
        settings.guard_dir,
    )
    assert ("127.0.0.1", 8000, 1, "required") == (
        settings.host,
        settings.port,
        settings.workers,
        settings.second_factor,
    )


def test_paths_follow_the_data_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever moves the data directory moves what has its default in it."""
    monkeypatch.setenv("CARETRAIL_DATA_DIR", "/srv/care")
    settings = load()

    assert "sqlite:////srv/care/caretrail.db" == settings.database_url.get_secret_value()
    assert (Path("/srv/care/keys"), Path("/srv/care/guard")) == (settings.keys_dir, settings.guard_dir)


def test_command_line_goes_before_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An option given wins over the variable; one not given leaves it."""
    monkeypatch.setenv("CARETRAIL_PORT", "9001")

    assert 9002 == load(port=9002).port
    assert 9001 == load(port=None).port


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_value_from_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, end: str) -> None:
    """`..._FILE` names a file that holds the value; the line break at its end is not part of it."""
    (tmp_path / "url").write_text(SECRET + end, newline="")
    monkeypatch.setenv("CARETRAIL_DATABASE_URL_FILE", str(tmp_path / "url"))

    assert SECRET == load().database_url.get_secret_value()


def test_every_setting_can_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The rule has no exception: each setting has its `_FILE`."""
    values = {
        "forwarded_allow_ips": "10.0.0.0/8",
        "metrics_token": "a-long-enough-token",
        "second_factor": "optional",
        "log_level": "error",
        "log_requests": "true",
        "behind_tls_proxy": "true",
        "port": "9000",
        "workers": "2",
        "self_check_rows": "100",
        "backup_keep_days": "3",
        "backup_keep_weeks": "3",
        "backup_keep_months": "3",
        "continuity_keep": "3",
        "continuity_format": "pdf",
        "jobs": "worker",
        "detection": "off",
        "trail_years": "9",
        "webhooks_allow_loopback": "true",
        "keys_provider": "transit",
        "keys_keep": "PT15M",
        "transit_timeout_s": "3",
        "offsite_bucket": "s3://backups/alder",
        "offsite_endpoint": "https://storage.example",
    }
    for name in Settings.model_fields:
        value = values.get(name, "PT1M" if name.startswith("session_cap") else name.replace("_", "-"))
        (tmp_path / name).write_text(value)
        monkeypatch.setenv(f"{variable_of(name)}_FILE", str(tmp_path / name))
    settings = load()

    assert set(Settings.model_fields) == settings.model_fields_set
    assert ("deployment", 9000, True) == (settings.deployment, settings.port, settings.behind_tls_proxy)
    assert tmp_path / "tls_key" == settings.tls_key


def test_file_of_a_setting_that_is_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the value is a file anyway, `..._FILE` names that file."""
    monkeypatch.setenv("CARETRAIL_TLS_CERT_FILE", str(tmp_path / "cert.pem"))

    assert tmp_path / "cert.pem" == load().tls_cert


def test_given_twice_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A value and a file for it are a contradiction, even when they agree."""
    (tmp_path / "port").write_text("9000")
    monkeypatch.setenv("CARETRAIL_PORT", "9000")
    monkeypatch.setenv("CARETRAIL_PORT_FILE", str(tmp_path / "port"))

    with pytest.raises(StartRefusedError, match="CARETRAIL_PORT and CARETRAIL_PORT_FILE are both set"):
        load()


@pytest.mark.parametrize("name", ["CARETRAIL_PROT", "CARETRAIL_DATABASE_URL_FIL", "caretrail_databaseurl"])
def test_unknown_variable_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A typing error in a name is refused, not ignored."""
    monkeypatch.setenv(name, "1")

    with pytest.raises(StartRefusedError, match=f"{name.upper()} is not a setting"):
        load()


def test_variables_of_the_tests_are_let_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this repository's tests read is no typing error."""
    monkeypatch.setenv("CARETRAIL_SHARED", "/nowhere")
    monkeypatch.setenv("CARETRAIL_TEST_POSTGRESQL", "postgresql://elsewhere")

    load()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "eighty"),
        ("WORKERS", "0"),
        ("DEPLOYMENT", "Care Trail"),
        ("DEPLOYMENT", "a/b"),
        ("DEPLOYMENT", "x" * 65),
        ("SECOND_FACTOR", "off"),
        ("SESSION_CAP_MOBILE", "PT0S"),
        ("SESSION_CAP_MOBILE", "P2D"),
        ("FORWARDED_ALLOW_IPS", "*"),
        ("FORWARDED_ALLOW_IPS", "proxy.example"),
        ("METRICS_TOKEN", "short"),
        ("LOG_LEVEL", "noisy"),
        ("DATABASE_URL", ""),
        ("HOST", "  "),
    ],
)
def test_value_out_of_bounds_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A value that cannot be meant is refused with the name of its variable."""
    monkeypatch.setenv(f"CARETRAIL_{name}", value)

    with pytest.raises(StartRefusedError, match=f"CARETRAIL_{name}"):
        load()


def test_refusal_does_not_repeat_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message of a refusal names variables only: values may be secrets put in the wrong place."""
    monkeypatch.setenv("CARETRAIL_METRICS_TOKEN", "hunter2")
    monkeypatch.setenv("CARETRAIL_PORT", "hunter2")
    monkeypatch.setenv("CARETRAIL_FORWARDED_ALLOW_IPS", "hunter2")
    monkeypatch.setenv("CARETRAIL_LOG_LEVEL", "hunter2")

    with pytest.raises(StartRefusedError) as refused:
        load()
    assert 4 == str(refused.value).count("CARETRAIL_")
    assert "hunter2" not in str(refused.value)


def test_wrong_data_directory_is_one_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Defaults made from a refused value are not reported as mistakes of their own."""
    with pytest.raises(StartRefusedError, match=r"^CARETRAIL_DATA_DIR: [^;]*$"):
        load(data_dir=7)


@pytest.mark.parametrize("kind", ["missing", "directory", "binary", "large", "empty"])
def test_unreadable_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str) -> None:
    """A file that is missing, no text, too large or empty is refused by the name of its variable."""
    path = tmp_path / "value"
    if kind == "directory":
        path.mkdir()
    elif kind != "missing":
        path.write_bytes({"binary": b"\xff\xfe", "large": b"x" * 70_000, "empty": b"\n"}[kind])
    monkeypatch.setenv("CARETRAIL_DATABASE_URL_FILE", str(path))

    with pytest.raises(StartRefusedError, match="CARETRAIL_DATABASE_URL"):
        load()


def test_settings_are_frozen_and_hide_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody changes a setting on the way, and none that is secret shows in a print of them."""
    monkeypatch.setenv("CARETRAIL_DATABASE_URL", SECRET)
    settings = load(metrics_token="a-long-enough-token")

    with pytest.raises(ValidationError, match="frozen"):
        settings.port = 1
    assert "hunter2" not in repr(settings) + str(settings)
    assert "a-long-enough-token" not in repr(settings)


def test_session_caps_are_those_that_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind of device without a cap keeps its default."""
    monkeypatch.setenv("CARETRAIL_SESSION_CAP_SHARED_TABLET", "PT1M")

    assert {"shared_tablet": timedelta(minutes=1)} == load().session_caps


def test_table_names_every_setting() -> None:
    """The table for the README has a row for each setting, in one order, with default and meaning."""
    rows = settings_table().splitlines()[2:]

    assert [f"| `{variable_of(name)}` |" for name in Settings.model_fields] == [
        " ".join(row.split(" ")[:3]) for row in rows
    ]
    assert all(row.count("|") == 4 and len(row) > 50 for row in rows)
