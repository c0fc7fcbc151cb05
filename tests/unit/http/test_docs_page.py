"""The API description page: whole in itself, and nothing else may run in it."""

import base64
import hashlib
import re
from pathlib import Path

from app.http import docs_page

LEAVING = re.compile(rb"<!--|</?script", re.IGNORECASE)
VENDORED = Path(docs_page.__file__).parent / "assets" / "swagger-ui"


def test_page_is_served_alone(sample):
    """One request shows the whole description: nothing in the page is fetched but openapi.json."""
    answer = sample.send("GET", "/docs")
    outside_script = re.sub(rb"<(script|style)>.*?</\1>", b"", answer.body, flags=re.DOTALL)

    assert answer.status == 200
    assert answer.header("content-type") == "text/html; charset=utf-8"
    assert answer.header("cache-control") == "no-store"
    assert b"SwaggerUIBundle" in answer.body
    assert len(answer.body) > 1_500_000
    assert re.findall(rb'(?:src|href)="([^"]*)"', outside_script) == [b"data:,"]
    assert b'url: "openapi.json"' in answer.body
    assert b"validatorUrl: null" in answer.body


def test_policy_names_exactly_what_stands_in_the_page(sample):
    """The page's policy allows its own two scripts and its style by digest, and this service only."""
    answer = sample.send("GET", "/docs")
    policy = dict(part.split(" ", 1) for part in answer.header("content-security-policy").split("; "))
    scripts = re.findall(rb"<script>(.*?)</script", answer.body, re.DOTALL)
    (style,) = re.findall(rb"<style>(.*?)</style", answer.body, re.DOTALL)
    digest = lambda text: f"'sha256-{base64.b64encode(hashlib.sha256(text).digest()).decode()}'"  # noqa: E731

    assert policy["script-src"].split() == [digest(script) for script in scripts]
    assert policy["style-src"] == digest(style)
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in str(policy)
    assert b"\r" not in answer.body


def test_scripts_cannot_leave_their_element(sample):
    """The page's scripts are the vendored one whole, but for what would end or hide it, and the start."""
    body = sample.send("GET", "/docs").body
    asset = (VENDORED / "swagger-ui-bundle.js").read_bytes()
    begins = [found.start() for found in re.finditer(rb"<script", body, re.IGNORECASE)]
    ends = [found.start() for found in re.finditer(rb"</script", body, re.IGNORECASE)]
    scripts = [body[begin:end].removeprefix(b"<script>") for begin, end in zip(begins, ends, strict=True)]
    harmless, marks = LEAVING.subn(lambda mark: b"\\x3c" + mark[0][1:], asset)

    assert [2, 2, 5] == [len(begins), len(ends), marks]
    assert not any(LEAVING.search(script) for script in scripts)
    assert [hashlib.sha256(script).digest() for script in (harmless, docs_page._START.encode())] == [
        hashlib.sha256(script).digest() for script in scripts
    ]


def test_vendored_files_are_the_documented_ones():
    """The files are those whose digests stand beside them, with their licences."""
    documented = dict(
        re.findall(r"`(swagger-ui[^`]*)` \| `([0-9a-f]{64})`", (VENDORED / "README.md").read_text())
    )

    assert len(documented) == 2
    for name, digest in documented.items():
        assert digest == hashlib.sha256((VENDORED / name).read_bytes()).hexdigest()
    for name in ("LICENSE.txt", "NOTICE.txt", "swagger-ui-bundle.js.LICENSE.txt"):
        assert (VENDORED / name).stat().st_size > 0


def test_page_is_built_once():
    """The page is kept in memory."""
    assert docs_page.page().body is docs_page.page().body
