"""The nginx example in front of a real `serve`, where nginx is at hand; read line by line elsewhere."""

import re
import shutil
import sqlite3
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import orjson
import pytest

from tests.unit.commands.certificates import write_certificate
from tests.unit.commands.conftest import ROOT, Line, free_port

EXAMPLE = (ROOT / "app/operations/proxy/nginx.conf").read_text("utf-8")
NGINX = [found] if (found := shutil.which("nginx")) else []
_KEPT = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
_MAIN = "daemon off; pid {0}/pid; events {{}} http {{" + "".join(f"{one}_temp_path {{0}};" for one in _KEPT)


def test_the_example_forwards_what_the_service_believes() -> None:
    """Each header about the client is set anew, nothing is repeated or kept, and it is TLS 1.2 or newer."""
    lines = [line.strip() for line in EXAMPLE.splitlines() if not line.strip().startswith("#")]
    plain = "\n".join(lines)

    assert plain.count("{") == plain.count("}") == 4
    assert all(line.endswith((";", "{", "}")) for line in lines if line)
    headers = dict(re.findall(r'proxy_set_header (\S+) "?([^";]*)"?;', plain))
    assert ("$remote_addr", "https", "") == tuple(
        headers[name] for name in ("X-Forwarded-For", "X-Forwarded-Proto", "Forwarded")
    )
    assert "$proxy_add_x_forwarded_for" not in plain
    for wanted in ("ssl_protocols TLSv1.2 TLSv1.3;", "proxy_next_upstream off;", "access_log off;"):
        assert wanted in lines


@pytest.fixture(params=NGINX)
def behind(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Line, httpx2.Client, int]]:
    """A service behind the example; its client trusts the proxy's certificate."""
    line, (inner, outer) = Line(tmp_path / "data"), (free_port(), free_port() + 1)
    assert 0 == line.run("init", "--organisation", "Sample", "--admin", "a.sample").code
    line.variables |= {"CARETRAIL_PORT": str(inner), "CARETRAIL_BEHIND_TLS_PROXY": "true"}
    cert, key = write_certificate(tmp_path)
    changed = EXAMPLE.replace("listen [::]:443 ssl;", "").replace("listen 443", f"listen 127.0.0.1:{outer}")
    for was, now in (("127.0.0.1:8000", f"127.0.0.1:{inner}"), ("/etc/caretrail/tls.crt", str(cert))):
        changed = changed.replace(was, now)
    conf = tmp_path / "nginx.conf"
    conf.write_text(
        _MAIN.format(tmp_path) + changed.replace("/etc/caretrail/secrets/tls.key", str(key)) + "}"
    )
    running = line.start("serve")
    proxy = subprocess.Popen([request.param, "-p", str(tmp_path), "-e", "stderr", "-c", str(conf)])
    trusted = ssl.create_default_context(cafile=str(cert))
    try:
        ends = time.monotonic() + 60
        while line.run("ready").code or not (tmp_path / "pid").exists():
            assert time.monotonic() < ends
            assert proxy.poll() is None
            time.sleep(0.2)
        with httpx2.Client(base_url=f"https://localhost:{outer}", verify=trusted, timeout=20) as client:
            yield line, client, inner
    finally:
        for one in (proxy, running):
            one.terminate()
        proxy.wait(30)
        running.communicate(timeout=30)


def test_a_client_cannot_claim_another_address(behind: tuple[Line, httpx2.Client, int]) -> None:
    """What a client says about itself is replaced by the proxy; what the proxy says is believed."""
    line, client, inner = behind
    ready = client.get("/health/ready")
    assert (200, 404) == (ready.status_code, client.get("/metrics").status_code)
    assert "max-age" in ready.headers["strict-transport-security"]
    body, claim = {"username": "nobody", "password": "wrong"}, {"X-Forwarded-For": "203.0.113.9"}
    for headers in ({}, claim, {**claim, "Forwarded": "for=203.0.113.9"}):
        assert 401 == client.post("/v1/sessions", json=body, headers=headers).status_code
    believed = httpx2.post(f"http://127.0.0.1:{inner}/v1/sessions", json=body, headers=claim)
    assert 401 == believed.status_code

    with sqlite3.connect(line.data_dir / "caretrail.db") as database:
        lines = [orjson.loads(one)["e"] for (one,) in database.execute("SELECT line FROM audit_event")]
    database.close()
    sources = [one["src"]["ip_h"] for one in lines if one["act"] == "auth.login"]
    assert 4 == len(sources)
    assert 1 == len(set(sources[:3]))
    assert sources[3] != sources[0]
