"""Proofs for whoever asks: that an entry is in the signed trail, that the trail was only added to.

What is read for a proof - leaves, tiles, the stored checkpoint - could have been changed behind the
service's back. So every proof is put to the test against the signed root before it is answered. One that
fails is made anew from the lines, as long as there are not too many of them; otherwise, or if that fails too,
it is refused with an error in the log, and the trail is then for somebody to look at.

Source: AUDIT-2; c2sp.org/tlog-proof; RFC 6962, 2.1.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from sqlalchemy import Connection

from app.access.opened import Opened
from app.access.work import Answer, Work
from app.audit import checkpoint, choosing, note, proofs, tiles
from app.audit.checkpoint import Notary
from app.audit.guard_file import Guards
from app.audit.note import NoteBrokenError
from app.audit.tiles import Source
from app.audit.verify import Checkpoint, leaf_hash, root_over
from app.core.errors import AuditUnavailableError, DisagreementError, InvalidRequestError
from app.trail.checkpoints import sign_now
from app.trail.events import entry_asked, readable_entry

logger = logging.getLogger(__name__)

MOST_TILES = 256
"""Tiles a question writes itself, about a quarter of a second; the housekeeping does the rest."""
SOURCES = tuple(Source)
"""What a proof is made from, one after the other, until it holds."""
T = TypeVar("T")


class Signed(NamedTuple):
    """A checkpoint and the note it was read from."""

    said: Checkpoint
    note: str


class ProofBrokenError(DisagreementError):
    """What is stored does not lead to what was signed."""

    def __init__(self, reason: str) -> None:
        detail = (
            "What is stored does not lead to what was signed, so nothing was proven or shown. Trying again"
            " does not help. Tell the person in charge of data security: `caretrail audit verify --state`"
            " says what was changed, and `caretrail audit reindex` makes anew what is derived."
        )
        super().__init__(detail, why=f"proof-broken: {reason}")


@dataclass
class ProveEntry(Work):
    """Prove that one entry, by its number as it stands in the path, is in the signed trail."""

    seq: str
    notary: Notary
    guards: Guards
    own_sql = True

    def asked(self) -> tuple[str, str | None]:
        """Return the entry as asked, if it can be one."""
        return entry_asked(self.seq)

    def perform(self, opened: Opened) -> Answer:
        """Return a tlog-proof against the newest checkpoint that covers the entry."""
        entry = readable_entry(opened, self.seq)
        connection, org = opened.connection(), opened.org
        if not caught_up(connection, org):
            return _behind()
        signed = newest_signed(opened, self.notary, self.guards, entry.seq + 1)
        [proof] = proofs_of(connection, org, [(entry.seq, entry.line)], signed.said, signed.note)
        return Answer(proof)


@dataclass
class ProveConsistency(Work):
    """Prove that the first `second` lines begin with what the first `first` lines were."""

    first: int
    second: int
    notary: Notary
    guards: Guards
    own_sql = True

    def asked(self) -> tuple[str, str | None]:
        """Return the later of the two trees."""
        return "audit_checkpoint", str(self.second)

    def perform(self, opened: Opened) -> Answer:
        """Return the hashes of a consistency proof.

        Raises:
            InvalidRequestError: The sizes are not in order, or nobody has signed so many lines yet.
        """
        if self.first > self.second:
            raise InvalidRequestError(("/query/first", "Must not be larger than second."))
        signed = newest_signed(opened, self.notary, self.guards)
        if self.second > signed.said.size:
            told = "Must not be larger than the newest checkpoint: see GET /v1/audit/checkpoint."
            raise InvalidRequestError(("/query/second", told))
        if not caught_up(opened.connection(), opened.org):
            return _behind()
        path = consistency_of(opened.connection(), opened.org, self.first, self.second, signed.said)
        return Answer({"hashes": proofs.spelled(path)})


def newest_signed(opened: Opened, notary: Notary, guards: Guards, least: int = 0) -> Signed:
    """Return the newest checkpoint of the organisation's chain; sign the head if none has `least` lines.

    Raises:
        ProofBrokenError: The stored one is not what this service signed.
    """
    stored = checkpoint.newest(opened.connection(), opened.org)
    if stored is None or stored.size < least:
        return signed_now(opened, notary, guards)
    try:
        said = note.read_checkpoint(note.open_note(stored.note, notary.keys(opened.org)))
    except NoteBrokenError as error:
        raise ProofBrokenError("the checkpoint is not signed by the service") from error
    if (said.origin, said.size) != (notary.origin(opened.org), stored.size):
        raise ProofBrokenError("the checkpoint is another one")
    return Signed(said, stored.note)


def signed_now(opened: Opened, notary: Notary, guards: Guards) -> Signed:
    """Sign the head of the organisation's chain."""
    made = sign_now(opened, notary, guards)
    return Signed(Checkpoint(made.origin, made.size, made.root), made.note)


def proven_entries(opened: Opened, seqs: Sequence[int], signed: Signed) -> list[tuple[bytes, str]]:
    """Return some lines by their numbers, which must ascend, each with its proof.

    Raises:
        DisagreementError: One is missing, or what is stored does not lead to the signed root.
    """
    connection, org = opened.connection(), opened.org
    lines = [bytes(line) for line in choosing.lines(connection, org, seqs)]
    if len(lines) != len(seqs):
        raise DisagreementError(why="lines-missing")
    proofs = proofs_of(connection, org, list(zip(seqs, lines, strict=True)), signed.said, signed.note)
    return list(zip(lines, proofs, strict=True))


def caught_up(connection: Connection, org: str) -> bool:
    """Write some tiles of a chain that are due; False if so many are left that no proof can be made yet."""
    try:
        return not tiles.catch_up(connection, org, MOST_TILES)
    except tiles.TilesBrokenError:
        return True  # the proof itself decides whether it can do without what is missing


def proofs_of(
    connection: Connection, org: str, lines: Sequence[tuple[int, bytes]], said: Checkpoint, signed: str
) -> list[str]:
    """Return the tlog-proof of each of some lines, every one of which was checked.

    Args:
        connection: Where the chain is.
        org: Whose chain.
        lines: Numbers and exact lines, some hundreds at once.
        said: What the checkpoint says.
        signed: Its note.

    Raises:
        ProofBrokenError: A line does not lead to the signed root.
    """

    def proven(source: Source) -> list[list[bytes]]:
        paths = tiles.inclusion_paths(connection, org, [seq for seq, _ in lines], said.size, source)
        for (seq, line), path in zip(lines, paths, strict=True):
            if root_over(leaf_hash(line), seq, said.size, path) != said.root:
                raise ProofBrokenError(f"#{seq}")
        return paths

    paths = _believing_less(proven, org, said.size)
    return [proofs.tlog_proof(seq, path, signed) for (seq, _), path in zip(lines, paths, strict=True)]


def consistency_of(
    connection: Connection, org: str, first: int, second: int, said: Checkpoint
) -> list[bytes]:
    """Return a consistency proof for two sizes up to a signed one; it was checked.

    The root at `second` counts because the signed root extends it, and the path because it leads there.

    Raises:
        ProofBrokenError: The stored nodes do not lead to the signed root.
    """

    def proven(source: Source) -> list[bytes]:
        tree = tiles.Tree(connection, org, said.size, source)
        roots = [proofs.root(size, tree.hash_of) for size in (first, second)]
        path = proofs.consistency_path(first, second, tree.hash_of)
        onward = proofs.consistency_path(second, said.size, tree.hash_of)
        if not proofs.extends(second, said.size, roots[1], said.root, onward):
            raise ProofBrokenError(f"size {second}")
        if not proofs.extends(first, second, roots[0], roots[1], path):
            raise ProofBrokenError(f"size {first}")
        return path

    return _believing_less(proven, org, said.size)


def refuse_unprovable(connection: Connection, org: str, said: Checkpoint) -> None:
    """Refuse what would break off at a proof, before anything of it is handed out.

    Raises:
        ProofBrokenError: The stored nodes do not lead to the signed root, and there are too many lines to
            do without them.
    """
    if said.size > tiles.MOST_FROM_LINES and not tiles.lead_to(connection, org, said.size, said.root):
        raise ProofBrokenError(f"nodes over {said.size} lines")


def _believing_less(proven: Callable[[Source], T], org: str, size: int) -> T:
    """Return what is proven from what is stored; if that is wrong, from what is made anew from the lines.

    Raises:
        ProofBrokenError: Not even the lines lead to the signed root, or there are too many of them.
    """
    sources = [one for one in SOURCES if one is not Source.LINES or size <= tiles.MOST_FROM_LINES]
    for source in sources:
        try:
            return proven(source)
        except (ProofBrokenError, tiles.TilesBrokenError) as error:
            broken = error
            logger.error("proof-broken", extra={"chain": org, "why": error.why})  # noqa: TRY400
    if isinstance(broken, ProofBrokenError):
        raise broken
    raise ProofBrokenError(broken.why) from broken


def _behind() -> Answer:
    """Return a refusal after which what was written stays: the next try has less left to do."""
    return Answer(refusal=AuditUnavailableError(why="tiles-behind"))
