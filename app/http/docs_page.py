"""`GET /docs`: the API description to read and try, in one page that needs no internet.

Script and style stand inside the page, so that one address - the one the contract leaves out of
the trail - is all there is, and the page's policy names them by their digests: nothing else runs
in it, and it talks to nobody but this service.
"""

import base64
import functools
import hashlib
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

_ASSETS = Path(__file__).parent / "assets" / "swagger-ui"
# `openapi.json` is named relative to the page, so that a prefix set by a proxy stays in place.
# No validator: it would send the address of this service to a stranger.
_START = (
    'SwaggerUIBundle({url: "openapi.json", dom_id: "#docs", deepLinking: true, validatorUrl: null,'
    " presets: [SwaggerUIBundle.presets.apis]});"
)


def page() -> Response:
    """Return the page with the policy that lets only its own script and style run."""
    content, policy = _built()
    return HTMLResponse(content, headers={"Content-Security-Policy": policy})


def router() -> APIRouter:
    """Return the route of the page. It is not audited, so it raises nothing."""
    routes = APIRouter()

    @routes.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        """Show the API description."""
        return page()

    return routes


@functools.cache
def _built() -> tuple[bytes, str]:
    script = _inline((_ASSETS / "swagger-ui-bundle.js").read_text(encoding="utf-8"))
    style = (_ASSETS / "swagger-ui.css").read_text(encoding="utf-8")
    content = (
        '<!doctype html>\n<html lang="en-GB">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<title>Caretrail API</title>\n<link rel="icon" href="data:,">\n'
        f"<style>{style}</style>\n</head>\n<body>\n"
        "<noscript>This page needs scripts. The API description itself is at openapi.json.</noscript>\n"
        f'<div id="docs"></div>\n<script>{script}</script>\n<script>{_START}</script>\n</body>\n</html>\n'
    )
    policy = (
        f"default-src 'none'; script-src {_digest(script)} {_digest(_START)}; style-src {_digest(style)}; "
        "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return content.encode(), policy


def _inline(script: str) -> str:
    r"""Return a script that can stand inside a page.

    These three end or hide a script element; `\x3c` means the same inside the strings and
    regular expressions they occur in (HTML standard, "restrictions for contents of script elements").
    """
    for mark in ("<!--", "<script", "</script"):
        script = script.replace(mark, r"\x3c" + mark[1:])
    return script


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
