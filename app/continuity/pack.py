"""What a pack is printed with: HTML by default, PDF where its extra is installed. All in memory."""

import logging
from collections.abc import Callable
from importlib.resources import files
from typing import Literal, NamedTuple

from app.continuity.cover import Pack
from app.continuity.page import page
from app.core.errors import CaretrailError
from app.printing import typesetting

logger = logging.getLogger(__name__)

Format = Literal["html", "pdf"]


class Printed(NamedTuple):
    """A pack to read.

    Attributes:
        data: The file.
        form: What it is, which may be HTML where PDF was wanted and could not be made.
    """

    data: bytes
    form: Format


def _html(pack: Pack) -> Printed:
    return Printed(page(pack).encode(), "html")


def _pdf(pack: Pack) -> Printed:
    template = files("app.continuity").joinpath("pack.typ").read_text("utf-8")
    try:
        return Printed(typesetting.typeset(template, pack), "pdf")
    except CaretrailError as failed:
        logger.warning("pack-without-pdf", extra={"why": failed.why})
        return _html(pack)  # a home without paper is worse off than one with another kind of it


def renderer(chosen: Format) -> Callable[[Pack], Printed]:
    """Return what makes a pack readable.

    Raises:
        StartRefusedError: PDF is wanted and the extra is not installed.
    """
    if chosen == "pdf":
        typesetting.refuse_without_extra()
        return _pdf
    return _html
