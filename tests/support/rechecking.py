"""An independent check of a trail, written from its description alone; no code is shared with `app`."""

import base64
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import create_engine, text


class Stored:
    """What a database holds, read with plain SQL."""

    def __init__(self, url: str) -> None:
        self._url = url

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Return the rows of a query."""
        engine = create_engine(self._url)
        with engine.connect() as connection:
            found = [dict(row._mapping) for row in connection.execute(text(sql))]
        engine.dispose()
        return found

    def lines(self) -> dict[str, list[bytes]]:
        """Return the lines of every chain in order."""
        chains: dict[str, list[bytes]] = {}
        for row in self.rows("SELECT org, seq, line FROM audit_event ORDER BY org, seq"):
            chains.setdefault(row["org"], []).append(bytes(row["line"]))
        return chains


def leaf(line: bytes) -> bytes:
    """Return SHA-256(0x00 || line)."""
    return hashlib.sha256(b"\0" + line).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the Merkle root of RFC 6962, section 2.1, by its recursive definition."""
    if len(leaves) == 0:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + root(leaves[:split]) + root(leaves[split:])).digest()


def check_chain(org: str, lines: Sequence[bytes]) -> None:
    """Demand that lines are one unbroken chain: organisation, number, link and time of each."""
    prev = hashlib.sha256(b"caretrail/v1 genesis\n" + org.encode()).hexdigest()
    before = ""
    for seq, line in enumerate(lines):
        place = json.loads(line)["c"]
        assert (place["org"], place["seq"], place["prev"]) == (org, seq, prev), (org, seq)
        assert place["ts"] >= before, (org, seq)
        prev, before = leaf(line).hex(), place["ts"]


def check_log(url: str) -> dict[str, list[bytes]]:
    """Check every chain, its head row and its stored checkpoints' roots; return the lines."""
    stored = Stored(url)
    chains = stored.lines()
    for org, lines in chains.items():
        check_chain(org, lines)
    for head in stored.rows("SELECT org, size, leaf FROM audit_head"):
        lines = chains.get(head["org"], [])
        assert head["size"] == len(lines), head["org"]
        assert not lines or bytes(head["leaf"]) == leaf(lines[-1]), head["org"]
    newest: dict[str, dict[str, Any]] = {}
    for row in stored.rows("SELECT org, size, root, note FROM audit_checkpoint ORDER BY size"):
        newest[row["org"]] = row
    for org, row in newest.items():
        computed = root([leaf(line) for line in chains.get(org, [])[: row["size"]]])
        assert bytes(row["root"]) == computed, org
        assert row["note"].split("\n")[2] == base64.b64encode(computed).decode(), org
    return chains
