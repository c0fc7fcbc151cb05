"""Whether the signing key is the one of this database: asked at every start, before anything is signed.

Any key signs, so a wrong one is not recognised by itself. But the database holds who signed each chain last,
and the newest entry `key.rotate` says who was to sign from then on: both have to be among the keys that are
here. Keys of another deployment, a copy from before a rotation and the folder of a machine that was left out
of one are told like this. A restored older backup names keys that are retired here: they are known.

Not proven here: that the signatures hold. Against that stand the guard and `audit verify`.

Source: AUDIT-2.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from app.audit import note
from app.audit.checkpoint import Notary
from app.core.errors import CaretrailError, StartRefusedError
from app.core.identifiers import SYSTEM
from app.storage.schema import Ask

ACT = "key.rotate"
PUT_BACK = (
    "Put the whole keys folder back as it was in use last: a copy from before `caretrail keys rotate` has"
    " another key, and so has a folder that the other machines do not share. (CARETRAIL_DEPLOYMENT is part of"
    " a key, too.) No recovery mends that: see Lost key in the operations guide."
)
_SIGNED_LAST = """
    SELECT h.org, c.note FROM audit_head h JOIN audit_checkpoint c
        ON c.org = h.org AND c.size = (SELECT max(n.size) FROM audit_checkpoint n WHERE n.org = h.org)
    ORDER BY h.org"""
_NOT_INDEXED = f"""
    SELECT e.line FROM audit_event e JOIN audit_indexed i ON i.org = e.org AND e.seq >= i.size
    WHERE e.org = '{SYSTEM}' ORDER BY e.seq DESC"""
_INDEXED = (
    f"SELECT seqs FROM audit_index WHERE org = '{SYSTEM}' AND kind = 'act' AND key = '{ACT}'"
    " ORDER BY first DESC"
)
_LINE = f"SELECT line FROM audit_event WHERE org = '{SYSTEM}' AND seq = "
_SAID = f'"e":{{"act":"{ACT}",'.encode()


def refuse_foreign_key(ask: Ask, notary: Notary, to_come: bytes | None) -> None:
    """Refuse to start with a signing key that is not the one of this database.

    Args:
        ask: Asks the database.
        notary: Who signs, and signed once.
        to_come: The public half of a key that a rotation prepared and did not switch to yet.

    Raises:
        StartRefusedError: It is not. Nothing was signed with it.
    """
    foreign = foreign_key(ask, notary, to_come)
    if foreign is not None:
        raise StartRefusedError(f"{foreign}. Nothing was written. {PUT_BACK}")


def foreign_key(ask: Ask, notary: Notary, to_come: bytes | None) -> str | None:
    """Return why the signing key is not the one of this database, in a sentence; None if it is."""
    told = "the signing key is not the one of this database"
    for org, signed in ask(_SIGNED_LAST):
        if isinstance(signed, str) and not notary.knows_signer(org, signed):
            return f"{told}: the chain {org} was signed last by a key that is not here"
    rotated = _rotated_to(ask)
    if rotated is not None and rotated not in {to_come, *(key.public for key in notary.keys(SYSTEM))}:
        return f"{told}: the trail says that another one was to follow it, which is not here"
    return None


def _rotated_to(ask: Ask) -> bytes | None:
    """Return the public key that the newest rotation named, None if there was none."""
    for line in _rotations(ask):
        try:
            return note.read_key(orjson.loads(line)["e"]["key"]["new"]).public
        except (ValueError, LookupError, TypeError, CaretrailError):
            continue  # a refused one names none; a damaged line is for the verifier to find
    return None


def _rotations(ask: Ask) -> Iterator[bytes]:
    """Yield the entries of rotations, the newest first: those the index has not yet, then those it has."""
    yield from _lines(ask(_NOT_INDEXED))
    for (seqs,) in ask(_INDEXED):
        for seq in reversed(seqs.split()):
            yield from _lines(ask(f"{_LINE}{int(seq)}"))


def _lines(rows: Iterable[tuple[Any, ...]]) -> Iterator[bytes]:
    """Yield those of rotations; what somebody wrote over with something else is for the verifier to find."""
    yield from (line for (line,) in rows if isinstance(line, bytes) and _SAID in line)
