"""Searching files for planted words in every spelling a careless layer could leave them in."""

import base64
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.support.postgresql import server_of_its_own

CHUNK = 8 << 20
BEGINNING = 8
LETTER = "ö"
"""One letter beyond ASCII, so that JSON escapes and encodings differ from the plain bytes."""


@pytest.fixture(scope="module")
def postgresql_url() -> Iterator[str]:
    """A server of its own for a module: all of its files are searched, so nobody else's lie there."""
    with server_of_its_own() as url:
        yield url


def word(number: int) -> str:
    """Return a word that stands nowhere else."""
    return f"Zwiebelfl{LETTER}te{number:04d}Quarz"


def name_word(number: int) -> str:
    """Return a word that may be a user name."""
    return f"zwiebelkantor{number:04d}quarz"


def spellings(planted: str) -> dict[str, bytes]:
    """Return each spelling under which a word is looked for, lower-cased where files are too."""
    raw = planted.encode()
    found = {
        "plain": raw,
        "hex": raw.hex().encode(),
        "utf-16le": planted.encode("utf-16le"),
        "utf-16be": planted.encode("utf-16be"),
        "json": json.dumps(planted).strip('"').encode(),
        "percent": "".join(f"%{b:02x}" if b > 127 else chr(b) for b in raw).encode(),
    }
    for shift in range(3):  # the word may begin at any of the three alignments; six bits make a character
        encoded = base64.b64encode(b"\0" * shift + raw)
        found[f"base64+{shift}"] = encoded[-(-8 * shift // 6) : 8 * (shift + len(raw)) // 6]
    shortest = min(map(len, found.values()))
    assert shortest >= BEGINNING, f"{planted} is too short: chance would find it, too"
    return {name: spelled.lower() for name, spelled in found.items()}


def hits(files: Iterable[Path], planted: Iterable[str]) -> list[tuple[str, str, str]]:
    """Return (word, spelling, file) for every word that is found. Case does not count."""
    wanted = [(one, name, spelled) for one in planted for name, spelled in spellings(one).items()]
    longest = max(len(spelled) for _, _, spelled in wanted)
    # Words of one kind begin alike: a block without the beginning is done with after one look.
    alike: dict[bytes, list[tuple[str, str, bytes]]] = {}
    for one in wanted:
        alike.setdefault(one[2][:BEGINNING], []).append(one)
    found = set()
    for path in files:
        for block in _blocks(path, longest):
            near = [one for beginning, some in alike.items() if beginning in block for one in some]
            found |= {(one, name, path.name) for one, name, spelled in near if spelled in block}
    return sorted(found)


def files_below(folder: Path) -> list[Path]:
    """Return every file below a folder of a server at work, which removes some of them meanwhile."""
    found = [Path(place) / name for place, _, names in os.walk(folder) for name in names]
    return [path for path in found if path.is_file()]


def _blocks(path: Path, overlap: int) -> Iterator[bytes]:
    """Yield a file in lower case, in blocks that overlap, so that no word is cut."""
    before = b""
    try:
        with path.open("rb") as file:
            while data := file.read(CHUNK):
                block = before + data.lower()
                yield block
                before = block[-overlap:]
    except FileNotFoundError:
        return  # a file of the server that it removed meanwhile
