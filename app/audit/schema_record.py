"""What the trail says of the definitions that protect it, held against those there are.

Whenever the digest of the definitions is another than before - after a migration, or at first - the service
enters `schema.change` into the chain `system`, with the old digest, the new one and the revision. A change
of the definitions behind the service's back is then seen twice: the code expects something else
(`schema_digest`), and so does the signed trail. Whoever holds an older export sees when it came.

Source: AUDIT-3 (ASVS 5.0 16.4.2), promise P5.
"""

from typing import NamedTuple

from app.audit.schema_digest import SchemaCheck
from app.audit.verify import read_line, shown
from app.core.identifiers import SYSTEM
from app.storage.snapshot import Snapshot

ACT = "schema.change"
MEMBER = "schema"
"""The member of the entry that holds `digest`, `revision` and, if there was one, `was`."""
_SAID = b'"},"e":{"act":"schema.change",'
"""How such a line goes on after its place: quotes inside a value would be escaped."""
_NEWEST_FIRST = "SELECT seq, line FROM audit_event WHERE org = ? ORDER BY seq DESC"


class Recorded(NamedTuple):
    """What an entry says the definitions were."""

    seq: int
    digest: str
    revision: str


def newest_recorded(snapshot: Snapshot) -> Recorded | None:
    """Return what the newest entry of that kind says; None if there is none."""
    for batch in snapshot.rows(_NEWEST_FIRST, SYSTEM):
        for seq, line in batch:
            if isinstance(line, bytes) and _SAID in line:
                said = read_line(line)["e"].get(MEMBER)
                said = said if isinstance(said, dict) else {}
                return Recorded(seq, str(said.get("digest")), str(said.get("revision")))
    return None


def against_record(check: SchemaCheck, snapshot: Snapshot) -> SchemaCheck:
    """Return a check that also says how its digest compares with the one the trail holds."""
    return check._replace(recorded=_words(check, newest_recorded(snapshot)))


def _words(check: SchemaCheck, known: Recorded | None) -> str:
    if known is None:
        return (
            "no entry schema.change says what the definitions were: the next start of the service writes one"
        )
    entry = f"schema.change #{known.seq} of the chain {SYSTEM}, for revision {shown(known.revision)}"
    if known.digest == check.digest:
        return f"the digest is the one recorded by {entry}"
    if check.differences:
        return f"SCHEMA: the digest differs from {shown(known.digest)}, recorded by {entry}"
    return f"the digest is not yet recorded: {entry} has another. The next start of the service writes it"
