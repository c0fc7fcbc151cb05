"""`caretrail doctor` looks at the certificate where its key is the service's alone, as the guide has it."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.unit.commands.certificates import write_certificate
from tests.unit.commands.conftest import Line


@pytest.fixture
def served(founded: tuple[Line, Any], tmp_path: Path) -> Line:
    """A deployment that is served to others with a certificate, whose key the commands are not given."""
    certificate, key = write_certificate(tmp_path)
    key.unlink()
    line = Line(tmp_path / "data", {"CARETRAIL_HOST": "0.0.0.0", "CARETRAIL_TLS_CERT": str(certificate)})
    shutil.copytree(founded[0].data_dir, line.data_dir)
    return line


def tls(line: Line) -> tuple[str, str, bool]:
    """Return what the doctor says of TLS."""
    checks = line.run("doctor", "--json").json["checks"]
    (told,) = (one for one in checks if one["name"] == "tls")
    return told["result"], told["told"][:24], told["stops_start"]


def test_a_certificate_without_its_key_is_looked_at(served: Line) -> None:
    """It ends tomorrow, and the doctor says so."""
    assert ("warning", "the certificate ends on ", False) == tls(served)
    Path(served.variables["CARETRAIL_TLS_CERT"]).write_text("none")
    assert ("unknown", "the end of the certifica", False) == tls(served)


def test_to_serve_it_is_half_of_tls_still(served: Line) -> None:
    """`serve` refuses a certificate without its key, and the doctor a key without its certificate."""
    told = served.run("serve")
    assert (2, True) == (told.code, "TLS wants both a certificate" in told.err)
    served.variables["CARETRAIL_TLS_KEY"] = served.variables.pop("CARETRAIL_TLS_CERT")
    assert ("failed", "TLS wants both a certifi", True) == tls(served)
