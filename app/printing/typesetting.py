"""PDF through typst, an optional extra. The only folder that imports it.

A template is ours and fixed; what is printed reaches it as JSON and is shown as text, never read as markup.
Everything happens in memory: typst is given no file and writes none.
"""

from typing import Any, Final

import orjson

from app.core.errors import CaretrailError, StartRefusedError

EXTRA = "pdf"
STANDARD: Final = "ua-1"
"""Tagged, with title and language (PDF/UA-1): a screen reader gets at it."""


def refuse_without_extra() -> None:
    """Return if PDF can be made here.

    Raises:
        StartRefusedError: The extra is not installed.
    """
    try:
        import typst  # noqa: F401
    except ImportError as error:
        raise StartRefusedError(
            f"PDF wants the extra `{EXTRA}`, which is not installed: pip install 'caretrail[{EXTRA}]'"
        ) from error


def typeset(template: str, data: Any) -> bytes:
    """Return a PDF.

    Args:
        template: Markup of ours that reads `json(bytes(sys.inputs.data))`.
        data: What is printed: JSON values or dataclasses.

    Raises:
        StartRefusedError: The extra is not installed.
        CaretrailError: It cannot be printed. The message of typst may quote what was to be: it is dropped.
    """
    refuse_without_extra()
    import typst

    inputs = {"data": orjson.dumps(data).decode()}
    try:
        made: bytes = typst.compile(
            template.encode(), format="pdf", sys_inputs=inputs, pdf_standards=STANDARD
        )
    except typst.TypstError:
        raise CaretrailError("It could not be made into a PDF.", why="not-typeset") from None
    return made
