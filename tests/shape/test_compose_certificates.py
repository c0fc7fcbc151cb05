"""The script in compose.yaml that makes certificates, run as it stands there: once, again, and in time."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

COMPOSE: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / "compose.yaml").read_text("utf-8"))
SCRIPT: str = COMPOSE["services"]["certificates"]["command"][0].replace("$$", "$")
FOLDERS = ("ca", "database", "owner", "service", "keys", "guard", "backups")
SERVERS = ("database/server", "service/server")
DAYS = "-days 825"
_NO_OWNERS = "chown() { :; }\n"
"""Only root gives files away, and a test has no right to be root."""

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="the script is one of openssl")


@pytest.fixture
def volumes(tmp_path: Path) -> Path:
    """Empty volumes."""
    for name in FOLDERS:
        (tmp_path / name).mkdir()
    return tmp_path


def run(volumes: Path, script: str = SCRIPT) -> None:
    """Run the script as the service does, on these volumes."""
    there = _NO_OWNERS + script.replace("/volumes", str(volumes))
    done = subprocess.run(["/bin/sh", "-euc", there], capture_output=True, text=True, env=os.environ)
    assert 0 == done.returncode, done.stderr


def contents(volumes: Path) -> dict[str, bytes]:
    """Return what lies in the volumes."""
    return {
        str(path.relative_to(volumes)): path.read_bytes() for path in volumes.rglob("*") if path.is_file()
    }


def test_a_second_run_changes_nothing(volumes: Path) -> None:
    """CA, two certificates that last, passwords and URLs are made once, for nobody else to read."""
    run(volumes)
    before = contents(volumes)
    run(volumes)

    assert before == contents(volumes)
    assert {f"{one}.{end}" for one in SERVERS for end in ("crt", "key")} < before.keys()
    assert (
        before["ca/ca.crt"] == before["database/ca.crt"] == before["service/ca.crt"] == before["owner/ca.crt"]
    )
    assert {"ca/ca.key", "ca/ca.crt", "ca/finished"} == {name for name in before if name.startswith("ca/")}
    assert {0o600} == {path.stat().st_mode & 0o777 for path in volumes.rglob("*") if path.is_file()}


def test_what_ends_soon_is_made_anew_and_nothing_else(volumes: Path) -> None:
    """Within 90 days of its end a certificate is followed by one of the same CA; no password is touched."""
    run(volumes, SCRIPT.replace(DAYS, "-days 80"))
    before = contents(volumes)
    run(volumes)
    after = contents(volumes)

    changed = {name for name in after if after[name] != before.get(name)}
    assert {f"{one}.{end}" for one in SERVERS for end in ("crt", "key")} == changed
    assert before.keys() == after.keys()
    authority = x509.load_pem_x509_certificate(after["ca/ca.crt"])
    for one in SERVERS:
        old, new = (x509.load_pem_x509_certificate(each[f"{one}.crt"]) for each in (before, after))
        new.verify_directly_issued_by(authority)
        assert (new.not_valid_after_utc - old.not_valid_after_utc).days in (744, 745, 746)
        assert old.subject == new.subject
    run(volumes)
    assert after == contents(volumes)


def test_a_first_run_that_was_broken_off_leaves_no_certificate_of_another_ca(volumes: Path) -> None:
    """Begun again it makes another CA, and certifies anew whatever was made under the one before."""
    first, _ = SCRIPT.split("certify api")
    run(volumes, first)
    run(volumes)
    made = contents(volumes)

    authority = x509.load_pem_x509_certificate(made["ca/ca.crt"])
    for one in SERVERS:
        x509.load_pem_x509_certificate(made[f"{one}.crt"]).verify_directly_issued_by(authority)


def test_a_renewal_that_was_broken_off_is_done_by_the_next_run(volumes: Path) -> None:
    """Between key and certificate the old certificate still says that it ends."""
    run(volumes, SCRIPT.replace(DAYS, "-days 80"))
    start, _, end = SCRIPT.partition('mv "$2/crt.new"')
    rest = end.partition("rm request extensions\n}\n")[2]
    run(volumes, f"{start} exit 0\n}}\n{rest}")
    run(volumes)
    made = contents(volumes)

    for one in SERVERS:
        certificate = x509.load_pem_x509_certificate(made[f"{one}.crt"])
        key = load_pem_private_key(made[f"{one}.key"], None)
        assert key.public_key() == certificate.public_key()
    assert [] == [name for name in made if name.endswith((".new", "request", "extensions"))]
