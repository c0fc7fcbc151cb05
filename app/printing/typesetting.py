"""PDF through typst, an optional extra. The only folder that imports it.

A template is ours and fixed; what is printed reaches it as JSON and is shown as text, never read as markup.
Everything happens in memory: typst is given no file and writes none.

Typst runs in a process of its own, this module as a program, that ends with what it made. It keeps what it
laid out for its next ten documents: a server would hold residents' records in memory that nobody asks for any
more, and every volume of a copy would come on top of those before. And what breaks it off, which it tells on
standard error in words that may quote what was to be printed, breaks nobody else off and reaches no log.

PDF/UA-1 takes no character without a picture in some font. One emoji in one note must not cost a home its
pack: what no font here has is spelled as its number (`spelling`), and a note below the title says so. What
would turn a line around is spelled, too (`direction`).
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import orjson

from app.core.errors import CaretrailError
from app.core.extras import refuse_without
from app.printing.direction import as_written
from app.printing.spelling import Spelling, joining, shaping

EXTRA = "pdf"
STANDARD: Final = "ua-1"
"""Tagged, with title and language (PDF/UA-1): a screen reader gets at it."""
NOT_TYPESET: Final = "not-typeset"

_NOTE = """#show title: it => it + if sys.inputs.unshown != "" {
  par(text(10pt, weight: "regular", sys.inputs.unshown))
}
"""
_PROBE = """#set document(title: "Probe")
#for one in json(bytes(sys.inputs.data)) { par(text(one)) }
"""
_ERROR = re.compile("^error: ", re.MULTILINE)
_UNSHOWN = re.compile(
    r'^error: PDF/UA-1 error: the text `"(.+)"` could not be displayed with font `', re.MULTILINE
)
_ESCAPED = re.compile(r"\\(?:u\{([0-9a-f]+)\}|(.))")
_SHORT = {"t": "\t", "n": "\n", "r": "\r", "0": "\0"}
_ROUNDS = 4

_PROGRAM: Final = [sys.executable, "-m", "app.printing.typesetting"]
_ABOVE_APP: Final = Path(__file__).parents[2]
"""Where the program is looked for first: it is ours, whatever lies where this process was started."""
_PATIENCE_S: Final = 600
"""A volume takes seconds; what never ends holds a thread of a server."""
_MADE, _TRIPPED, _REFUSED = 0, 1, 3
"""How the program ends: with a PDF; as Python does over what nothing catches, a panic of typst; with what
typst says. Otherwise it was killed."""


class _UnshownError(Exception):
    """Some characters have no picture in any font here.

    Attributes:
        named: Which could not be shown where they stand, maybe because of a neighbour.
    """

    def __init__(self, named: frozenset[str]) -> None:
        self.named = named
        super().__init__(f"{len(named)} characters")


class _TrippedError(Exception):
    """Typst itself broke off over some order of characters: a defect of its own, met by chance."""


def refuse_without_extra() -> None:
    """Return if PDF can be made here.

    Raises:
        StartRefusedError: The extra is not installed.
    """
    refuse_without("typst", EXTRA, "PDF")


def typeset(template: str, data: Any) -> bytes:
    """Return a PDF. What no font here can show is spelled, which a note below the title says.

    Args:
        template: Markup of ours that reads `json(bytes(sys.inputs.data))` and has a `#title`.
        data: What is printed: JSON values or dataclasses.

    Raises:
        StartRefusedError: The extra is not installed.
        CaretrailError: It cannot be printed. The message of typst may quote what was to be: it is dropped.
    """
    refuse_without_extra()
    told = as_written(orjson.loads(orjson.dumps(data)))
    unshown: frozenset[str] = frozenset()
    for _ in range(_ROUNDS):
        try:
            return _spelled(template, told, unshown)
        except _UnshownError as error:
            unshown |= _culprits(error.named)
        except _TrippedError:
            unshown |= frozenset(shaping(_beyond_ascii(told)))
    try:
        return _spelled(template, told, _beyond_ascii(told))
    except (_UnshownError, _TrippedError):
        raise _failed() from None


def _spelled(template: str, told: Any, unshown: frozenset[str]) -> bytes:
    spelling = Spelling(unshown)
    shown = spelling.of(told)
    return _compiled(_NOTE + template, shown, str(spelling))


def _culprits(named: frozenset[str]) -> frozenset[str]:
    """Return which of the named to spell: not the letter whose neighbour is to blame.

    A letter with an emoji's modifier is named with it, and shown as soon as that is spelled.
    """
    try:
        _compiled(_PROBE, sorted(named), "")
    except _UnshownError as alone:
        return alone.named & named
    except _TrippedError:
        return frozenset(shaping(named))
    return frozenset(joining(named)) or frozenset(one for one in named if not one.isascii())


def _beyond_ascii(told: Any) -> frozenset[str]:
    return frozenset(one for one in orjson.dumps(told).decode() if not one.isascii())


def _compiled(template: str, told: Any, note: str) -> bytes:
    inputs = {"data": orjson.dumps(told).decode(), "unshown": note}
    ended, said = _run(orjson.dumps([template, inputs]))
    if ended == _TRIPPED:
        raise _TrippedError
    if ended == _REFUSED:
        diagnostic = said.decode()
        named = _UNSHOWN.findall(diagnostic)
        if named and len(named) == len(_ERROR.findall(diagnostic)):
            raise _UnshownError(frozenset("".join(map(_unescaped, named))))
    if ended != _MADE:
        raise _failed() from None
    return said


def _run(asked: bytes) -> tuple[int, bytes]:
    """Run the program and return how it ended, with what it wrote."""
    try:
        done = subprocess.run(  # noqa: S603 - our own
            _PROGRAM,
            input=asked,
            capture_output=True,  # of standard error nothing is read: it may quote what was to be printed
            cwd=_ABOVE_APP,
            timeout=_PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        raise _failed() from None
    return done.returncode, done.stdout


def _unescaped(text: str) -> str:
    r"""Return a text that typst quotes: `\u{7}` and the like as what they stand for."""
    return _ESCAPED.sub(lambda one: chr(int(one[1], 16)) if one[1] else _SHORT.get(one[2], one[2]), text)


def _failed() -> CaretrailError:
    return CaretrailError("It could not be made into a PDF.", why=NOT_TYPESET)


def _program() -> int:
    """Make the PDF that standard input asks for, or say what typst says; return how it ended."""
    import typst

    template, inputs = orjson.loads(sys.stdin.buffer.read())
    try:
        made: bytes = typst.compile(
            template.encode(), format="pdf", sys_inputs=inputs, pdf_standards=STANDARD
        )
    except typst.TypstError as error:
        sys.stdout.buffer.write(error.diagnostic.encode())
        return _REFUSED
    sys.stdout.buffer.write(made)
    return _MADE


if __name__ == "__main__":
    sys.exit(_program())
