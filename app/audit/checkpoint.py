"""Signed checkpoints: how long a chain is and what root it has, with the key outside the database.

Whoever signs has read every line it signs for: from the newest checkpoint it knows - the guard file,
outside the database - the stored lines are taken into the peaks, and what comes out must be the
head. A database that was set back, or whose earlier lines were written anew, therefore gets no
second signature, even while the service runs. Nor does one in which an entry prunes lines whose time is
not over by the clock of whoever signs.

Not proven here: that nobody holds the key. Against that stand checkpoints kept by somebody else.

Source: AUDIT-2; c2sp.org/tlog-checkpoint.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, Row, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from app.audit import log, merkle, note, stored, table
from app.audit.pruning import pruned_early
from app.audit.verify import Key
from app.core.clock import spell
from app.core.errors import AuditUnavailableError, CaretrailError

READ_AT_ONCE = 2048
MOST_REREAD = 200_000
"""Lines re-read in one turn before signing, a second's work at most; further back goes in steps."""

_stored = table.checkpoint.c
_NEWEST = (
    select(table.checkpoint)
    .where(_stored.org == bindparam("org"), _stored.size <= bindparam("most"))
    .order_by(_stored.size.desc())
    .limit(1)
)


class ChainNotExtendedError(CaretrailError):
    """The stored chain does not go on from what was signed: it was set back or rewritten."""

    why = "chain-not-extended"

    def __init__(self, reason: str) -> None:
        super().__init__(why=f"{self.why}: {reason}")


class SignerUnknownError(AuditUnavailableError):
    """The chain was signed last by a key that is not here: nothing is signed with those that are."""

    why = "signing-key-replaced"

    def __init__(self) -> None:
        super().__init__(why=self.why)


class Checkpoint(NamedTuple):
    """A signed checkpoint of a chain, with the peaks from which the chain goes on."""

    org: str
    origin: str
    size: int
    root: bytes
    peaks: tuple[bytes, ...]
    note: str


class Progress(NamedTuple):
    """How far a chain was read again: the peaks over its first lines. Nothing is signed yet."""

    size: int
    peaks: tuple[bytes, ...]


START = Progress(0, ())


class Notary:
    """Signs for every chain of the deployment. One key pair; during a rotation the new and the old.

    The keys may change while the service runs (`take_up`): they are replaced as a whole, so that a
    signature in another thread is made with those before or those after.
    """

    def __init__(self, deployment: str, *seeds: bytes, retired: Sequence[bytes] = ()) -> None:
        """Take the deployment's name and its keys, see `take_up`."""
        self._deployment = deployment
        self.take_up(seeds, retired)

    def __repr__(self) -> str:
        return f"Notary({self._deployment!r}, hidden)"

    def take_up(self, seeds: Sequence[bytes], retired: Sequence[bytes] = ()) -> None:
        """Go on with other keys.

        Args:
            seeds: The 32-byte seeds of the signing keys, the present one first.
            retired: Public keys that signed once; what they signed still counts.
        """
        self._keys = ([Ed25519PrivateKey.from_private_bytes(seed) for seed in seeds], tuple(retired))

    def origin(self, org: str) -> str:
        """Return the name of a chain in its checkpoints."""
        return note.origin(self._deployment, org)

    def keys(self, org: str) -> list[Key]:
        """Return the verifier keys of a chain: the present one, then those that were before it."""
        private, retired = self._keys
        publics = [*(key.public_key().public_bytes_raw() for key in private), *retired]
        return [note.verifier_key(self.origin(org), public) for public in publics]

    def vkeys(self, org: str) -> list[str]:
        """Return the verifier keys of a chain as text, to be handed to whoever checks; same order."""
        return [note.vkey_of(key) for key in self.keys(org)]

    def sign_checkpoint(self, org: str, size: int, root: bytes) -> str:
        """Return the note that a chain of `size` lines has this root."""
        return note.sign_checkpoint(size, root, *self._signers(org))

    def sign_manifest(self, org: str, manifest: bytes) -> str:
        """Return the note over the exact bytes of an export's manifest."""
        return note.sign_manifest(manifest, *self._signers(org))

    def sign_text(self, org: str, text: str) -> str:
        """Return the note of another text, whose first line says what it is."""
        return note.sign(text, *self._signers(org))

    def knows_signer(self, org: str, signed: str) -> bool:
        """Say whether the key that signed a note first is one of these; so it is of a note nobody can read.

        The present key signs first: whoever does not know it was left out of a rotation.
        """
        first = note.first_signer(signed)
        return first is None or first in {key.number for key in self.keys(org)}

    def _signers(self, org: str) -> list[note.Signer]:
        return [note.Signer(self.origin(org), private) for private in self._keys[0]]


def sign_head(
    connection: Connection,
    notary: Notary,
    org: str,
    known: Checkpoint | Progress | None,
    at: datetime,
) -> Checkpoint:
    """Return a signed and stored checkpoint of a chain as it stands in this turn.

    Args:
        connection: Inside a turn; entries of the turn itself are appended later and not covered.
        notary: Who signs.
        org: The chain.
        known: The newest checkpoint known outside the database, or how far the chain was read since.
        at: The instant of the turn.

    Raises:
        ChainNotExtendedError: The stored chain is not a continuation of what is known.
        SignerUnknownError: A rotation was not taken up here, or the keys were replaced.
        AuditUnavailableError: It goes on for so long that it has to be read in steps first (`reread`).
    """
    head, last = _head(connection, org), newest(connection, org)
    if last is not None and not notary.knows_signer(org, last.note):
        raise SignerUnknownError
    since = START if known is None else Progress(known.size, known.peaks)
    if head.size - since.size > MOST_REREAD:
        raise AuditUnavailableError(why="checkpoint-far-behind")
    return _store(connection, notary, org, _reread(connection, head, since, MOST_REREAD, at), at)


def reread(
    connection: Connection, org: str, since: Progress, most: int, at: datetime | None = None
) -> Progress:
    """Return the peaks after at most `most` more stored lines; at the head they must be the head's.

    Args:
        connection: Inside a turn.
        org: The chain.
        since: How far it was read.
        most: How many lines to read.
        at: The instant of the turn, where what is read is to be signed.

    Raises:
        ChainNotExtendedError: They are not, lines are missing, or were pruned before their time.
    """
    return _reread(connection, _head(connection, org), since, most, at)


def _reread(
    connection: Connection, head: Row[Any], since: Progress, most: int, at: datetime | None
) -> Progress:
    if head.size < since.size:
        raise ChainNotExtendedError(f"{head.size} lines are stored, {since.size} were signed")
    end = min(head.size, since.size + most)
    peaks = list(since.peaks)
    for start in range(since.size, end, READ_AT_ONCE):
        for size, leaf in enumerate(
            _leaves(connection, head.org, start, min(end, start + READ_AT_ONCE), at), start
        ):
            merkle.append(peaks, size, leaf)
    if end == head.size and merkle.pack(peaks) != bytes(head.peaks):
        raise ChainNotExtendedError(f"the lines after #{since.size} do not lead to the head")
    return Progress(end, tuple(peaks))


def newest(connection: Connection, org: str, most: int = 2**53) -> Row[Any] | None:
    """Return the newest stored checkpoint of at most so many lines."""
    return connection.execute(_NEWEST, {"org": org, "most": most}).first()


def spread(connection: Connection, org: str, size: int, count: int, least: int = 0) -> list[str]:
    """Return the notes of up to `count` stored checkpoints, evenly from `least` to `size` lines of a chain.

    A chain gets a checkpoint every second of traffic. A verifier needs few of them to say up to
    where a tampered chain was good; the last one returned is the newest up to `size`.
    """
    notes: dict[int, str] = {}
    for part in range(1, count + 1):
        row = newest(connection, org, least + (size - least) * part // count)
        if row is not None and row.size >= least:
            notes[row.size] = row.note
    return list(notes.values())


def _store(connection: Connection, notary: Notary, org: str, reached: Progress, at: datetime) -> Checkpoint:
    root = merkle.root(reached.peaks)
    there = newest(connection, org, reached.size)
    if there is not None and there.size == reached.size:
        if bytes(there.root) != root:
            raise ChainNotExtendedError(f"size {reached.size} was signed with another root")
        return Checkpoint(org, notary.origin(org), reached.size, root, reached.peaks, there.note)
    signed = notary.sign_checkpoint(org, reached.size, root)
    row = {"org": org, "size": reached.size, "root": root, "made_at": spell(at), "note": signed}
    # Another process may sign the same size: the key is deterministic, so are the rows
    connection.execute(_INSERT[connection.dialect.name], row)
    return Checkpoint(org, notary.origin(org), reached.size, root, reached.peaks, signed)


def _head(connection: Connection, org: str) -> Row[Any]:
    head = log.heads(connection, [org]).get(org)
    if head is None:
        raise log.ChainMissingError("an organisation has no chain")
    return head


def _leaves(connection: Connection, org: str, start: int, end: int, at: datetime | None) -> Sequence[bytes]:
    lines = stored.lines(connection, org, start, end)
    if len(lines) != end - start or not all(isinstance(line, bytes) for line in lines):
        raise ChainNotExtendedError(f"lines are missing between #{start} and #{end}")
    if at is not None and (early := pruned_early(lines, start, spell(at))) is not None:
        raise ChainNotExtendedError(f"entry #{early} prunes lines that have to be kept still")
    if not all(lines):  # pruned: their leaves were left
        return stored.leaves(connection, org, start, end)
    return [merkle.leaf_hash(line) for line in lines]


_INSERT = {
    "sqlite": sqlite.insert(table.checkpoint).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(table.checkpoint).on_conflict_do_nothing(),
}
