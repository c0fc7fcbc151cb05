"""What a pack is printed with: HTML by default, PDF where its extra is installed. All in memory."""

from collections.abc import Callable
from importlib.resources import files
from typing import Literal

from app.continuity.cover import Pack
from app.continuity.page import page
from app.printing import typesetting

Format = Literal["html", "pdf"]


def _html(pack: Pack) -> bytes:
    return page(pack).encode()


def _pdf(pack: Pack) -> bytes:
    return typesetting.typeset(files("app.continuity").joinpath("pack.typ").read_text("utf-8"), pack)


def renderer(chosen: Format) -> Callable[[Pack], bytes]:
    """Return what makes a pack readable.

    Raises:
        StartRefusedError: PDF is wanted and the extra is not installed.
    """
    if chosen == "pdf":
        typesetting.refuse_without_extra()
        return _pdf
    return _html
