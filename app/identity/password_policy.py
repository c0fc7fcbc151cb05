"""Which passwords may be chosen: long enough, not common, not breached, not somebody's name.

There is no rule of composition and no expiry: both make people choose worse ones (NIST SP 800-63B).
Judging costs 2 ms, at worst about 150 ms: run it in the thread of `PasswordPool.run`.

Source: PASSWORD-1 (ASVS 5.0 6.2.1, 6.2.4, 6.2.5, 6.2.11, 6.2.12).
"""

import hashlib
import re
import unicodedata
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Self

from zxcvbn import zxcvbn

from app.core.errors import InvalidRequestError, StartRefusedError
from app.identity.passwords import LONGEST, LONGEST_GIVEN, normalise_password

SHORTEST_WITH_SECOND_FACTOR = 12
SHORTEST_ALONE = 15
POINTER = "/new_password"

SAFE_SCORE = 2
"""zxcvbn's score from which a password is no variation of a common one: a million guesses."""
JUDGED = 72
"""zxcvbn raises an error above 72 characters; the beginning decides."""
NAME_LETTERS = 4
"""Shorter words of a name ("Ann", "Lee") occur in too many other words to be refused."""

# zxcvbn reads signs as letters in every combination: 72 mixed signs take it two seconds. Longer
# passwords keep three kinds of these signs; that many stand in a disguised word ("P@$$w0rd!").
_SIGNS = "@({[<!|$+%"
_SIGNS_KEPT = 3
_CHEAP_LENGTH = 16
_PRIVATE_USE = 0xE000

_DIGEST_BYTES = 8
_SHA1_DIGITS = 40
_MOST_LINES = 1_000_000
_SHA1_LINE = re.compile(r"([0-9a-fA-F]{16,40})(?::[0-9]+)?")

_TOO_SHORT = "Use at least {} characters; several unconnected words are easy to remember."
_TOO_LONG = "Use at most {} characters."
_UNTYPEABLE = "Use only characters that can be typed: no control characters."
_COMMON = "This password, or one much like it, is among the first that are guessed. Choose another."
_BREACHED = "This password is on a list of stolen passwords. Choose another."
_NAMED = "Leave your own name, your user name and the name of the home out of the password."


class BreachedPasswords:
    """A list of stolen passwords that the operator supplies, held as 64 bits of SHA-1 for each.

    In the file each line is a password, or the first 16 to 40 hex digits of its SHA-1, with or without
    `:count` (the format of Have I Been Pwned). A shorter line that could be either counts as both.
    """

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self._known = array("Q", sorted({number for line in lines for number in _numbers(line)}))

    @classmethod
    def read(cls, path: Path | None) -> Self:
        """Return the list in a file; without a file an empty one.

        Raises:
            StartRefusedError: The file cannot be read, is no UTF-8 text or is longer than memory should hold.
        """
        if path is None:
            return cls()
        try:
            with path.open(encoding="utf-8") as file:
                breached = cls(islice(file, _MOST_LINES))
                if file.readline():
                    raise StartRefusedError(f"the password list is longer than {_MOST_LINES} lines")
        except UnicodeDecodeError as error:
            raise StartRefusedError("the password list is not UTF-8 text") from error
        except OSError as error:
            raise StartRefusedError(
                f"CARETRAIL_BREACHED_PASSWORDS names {path}, which cannot be read: {error.strerror}"
            ) from error
        return breached

    def __contains__(self, password: str) -> bool:
        return any(self._has(form) for form in {password, password.casefold()})

    def __len__(self) -> int:
        return len(self._known)

    def _has(self, password: str) -> bool:
        number = _number_of(password)
        place = bisect_left(self._known, number)
        return place < len(self._known) and self._known[place] == number


NONE_BREACHED = BreachedPasswords()


def check_new_password(
    password: str,
    *,
    second_factor: bool,
    forbidden_words: Iterable[str],
    breached: BreachedPasswords = NONE_BREACHED,
) -> None:
    """Refuse a new password that is too weak, and say why.

    Args:
        password: As given.
        second_factor: The account has, or must have, a second factor.
        forbidden_words: The user's name and user name and the name of each home of theirs, whole.
        breached: The operator's list, beside the 30,000 that zxcvbn brings.

    Raises:
        InvalidRequestError: With every reason, all at `/new_password`.
    """
    shortest = SHORTEST_WITH_SECOND_FACTOR if second_factor else SHORTEST_ALONE
    reasons = _unfit(password, shortest) or _guessable(password, forbidden_words, breached)
    if reasons:
        raise InvalidRequestError(*((POINTER, reason) for reason in reasons), why="password-too-weak")


def _unfit(password: str, shortest: int) -> list[str]:
    if len(password) > LONGEST_GIVEN:
        return [_TOO_LONG.format(LONGEST)]
    text = normalise_password(password)
    reasons = []
    if len(text) < shortest:
        reasons.append(_TOO_SHORT.format(shortest))
    if len(text) > LONGEST:
        reasons.append(_TOO_LONG.format(LONGEST))
    if any(unicodedata.category(letter) in {"Cc", "Cs", "Cn"} for letter in text):
        # Cn: what a later Unicode version assigns may then normalise otherwise, and lock its owner out.
        reasons.append(_UNTYPEABLE)
    return reasons


def _guessable(password: str, forbidden_words: Iterable[str], breached: BreachedPasswords) -> list[str]:
    text = normalise_password(password)
    reasons = []
    if _holds_a_name(text, forbidden_words):
        reasons.append(_NAMED)
    if text in breached or password in breached:
        reasons.append(_BREACHED)
    elif zxcvbn(_fewer_signs(text[:JUDGED]))["score"] < SAFE_SCORE:
        reasons.append(_COMMON)
    return reasons


def _fewer_signs(text: str) -> str:
    """Replace all but three kinds of signs by letters that stand for nothing, each by its own."""
    if len(text) <= _CHEAP_LENGTH:
        return text
    kinds = [letter for letter in dict.fromkeys(text) if letter in _SIGNS]
    return text.translate({ord(kind): _PRIVATE_USE + n for n, kind in enumerate(kinds[_SIGNS_KEPT:])})


def _holds_a_name(text: str, names: Iterable[str]) -> bool:
    bare = "".join(_words(text))
    return any(part in bare for name in names for part in _telling_parts(name))


def _telling_parts(name: str) -> Iterator[str]:
    """Yield the words of a name, and all of it in one, as far as they are long enough to tell."""
    words = _words(name)
    yield from (part for part in (*words, "".join(words)) if len(part) >= NAME_LETTERS)


def _words(text: str) -> list[str]:
    """Return the words without case, accents and apostrophes: `O'Brien` is `obrien`."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(c for c in decomposed if not unicodedata.combining(c) and c not in "'’")
    return re.findall(r"[^\W_]+", plain)


def _numbers(line: str) -> Iterator[int]:
    line = line.rstrip("\r\n")
    digest = _SHA1_LINE.fullmatch(line)
    if digest:
        yield int(digest[1][: 2 * _DIGEST_BYTES], 16)
    if line and (digest is None or len(line) < _SHA1_DIGITS):
        yield _number_of(line)


def _number_of(password: str) -> int:
    # SHA-1 because the lists are; nothing rests on its strength.
    digest = hashlib.sha1(password.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()
    return int.from_bytes(digest[:_DIGEST_BYTES], "big")
