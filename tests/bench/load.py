"""The load generator: a closed loop over raw sockets, in a process of its own.

    python -m tests.bench.load

It reads one JSON order a line from standard input and writes one JSON result a line. Every connection
owns records of its own and sends its next request when the answer to the last one is complete; the
version a write must name is the ETag of the answer before. Nothing is parsed but the status, the length
and the ETag, so that the generator stays well below what any server can answer: it reports its own
processor time for each request, from which follows how many it could send.

When the time is over every connection still waits for its last answer: the answers counted are all
there are, and the trail must hold exactly as many entries.
"""

import asyncio
import json
import sys
import time
from array import array
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle
from typing import Any

import uvloop

LONGEST_DRAIN_S = 20.0
PEOPLE_WRITE = ("Slept well, ate half of breakfast, walked to the garden with one person. ", "Rested. ")


@dataclass
class Family:
    """One data set, shared by all sides that serve it: its requests and the versions as last told."""

    sample: dict[str, Any]
    versions: list[int]
    rendered: dict[str, tuple[list[bytes], list[bytes]]] = field(default_factory=dict)
    bodies: list[tuple[bytes, bytes]] = field(default_factory=list)

    @classmethod
    def of(cls, sample: dict[str, Any]) -> "Family":
        """Return the data set of a sample."""
        count = len(sample["records"])
        bodies = [_bodies(n, sample["occurred_at"]) for n in range(count)]
        return cls(sample, [1] * count, {}, bodies)

    def starts(self, prefix: str) -> tuple[list[bytes], list[bytes]]:
        """Return whole reads and the starts of writes under a path: rendered once, a run only sends."""
        if prefix not in self.rendered:
            reads, writes = [], []
            for resident, record, token in self.sample["records"]:
                path = f"{prefix}/v1/residents/{resident}/records/{record}"
                common = f" {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n"
                reads.append(f"GET{common}\r\n".encode())
                writes.append(f"PUT{common}".encode())
            self.rendered[prefix] = reads, writes
        return self.rendered[prefix]

    def ending(self, n: int) -> bytes:
        """Return the rest of the request that makes the next version of a record."""
        version = self.versions[n]
        return b'If-Match: "%d"\r\n%b' % (version, self.bodies[n][version % 2])


def _bodies(n: int, occurred_at: str) -> tuple[bytes, bytes]:
    """Return two bodies of about 2 KB, headers first, to be sent in turn: each write changes the text."""
    rendered = []
    for text in PEOPLE_WRITE:
        note = {"text": (text * (2000 // len(text))) + f" No. {n}."}
        asked = {"occurred_at": occurred_at, "body": note, "amendment_reason": "A word was missing."}
        body = json.dumps(asked).encode()
        head = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        rendered.append(head.encode() + body)
    return rendered[0], rendered[1]


class Run:
    """One order being carried out."""

    def __init__(self, order: dict[str, Any], family: Family) -> None:
        self.family = family
        self.kind: str = order["kind"]
        self.fixed: bytes = order.get("request", "").encode()
        self.reads, self.writes = family.starts(order.get("prefix", ""))
        self.opens = time.perf_counter() + order["warm"]
        self.closes = self.opens + order["seconds"]
        self.latencies = array("d")
        self.statuses: Counter[str] = Counter()
        self.left = order["connections"]
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def leave(self) -> None:
        """Note that a connection is done."""
        self.left -= 1
        if self.left == 0 and not self.over.done():
            self.over.set_result(None)


class Lane(asyncio.Protocol):
    """One connection, in a closed loop over the records it owns."""

    def __init__(self, run: Run, mine: list[int]) -> None:
        self._run = run
        self._mine = cycle(mine)
        self._record = 0
        self._buffer = b""
        self._sent = 0.0
        self._transport: Any  # uvloop names its transports otherwise than asyncio does
        self._done = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = transport
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count a connection that the server closed."""
        if not self._done:
            self._run.statuses["lost"] += 1
            self._leave()

    def _leave(self) -> None:
        self._done = True
        self._run.leave()

    def _send(self) -> None:
        run = self._run
        if run.fixed:
            request = run.fixed
        else:
            self._record = next(self._mine)
            request = run.reads[self._record]
            if run.kind == "write":
                request = run.writes[self._record] + run.family.ending(self._record)
        self._sent = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Take in a piece of an answer; when it is whole, count it and send the next request."""
        buffer = self._buffer + data if self._buffer else data
        head = buffer.find(b"\r\n\r\n")
        if head < 0 or len(buffer) < head + 4 + _length(buffer, head):
            self._buffer = buffer
            return
        self._buffer = b""
        now = time.perf_counter()
        run = self._run
        status = buffer[9:12]
        if status != b"200":
            run.statuses[status.decode()] += 1
        else:
            run.statuses["200"] += 1
            if run.opens <= now <= run.closes:
                run.latencies.append(now - self._sent)
            if run.kind == "write":
                run.family.versions[self._record] = _version(buffer, head)
        if now < run.closes:
            self._send()
        else:
            self._leave()
            self._transport.close()


def _length(buffer: bytes, head: int) -> int:
    at = buffer.find(b"content-length: ", 0, head)
    return int(buffer[at + 16 : buffer.find(b"\r", at)]) if at >= 0 else 0


def _version(buffer: bytes, head: int) -> int:
    at = buffer.find(b'etag: "', 0, head) + 7
    return int(buffer[at : buffer.find(b'"', at)])


async def carry_out(order: dict[str, Any], family: Family) -> dict[str, Any]:
    """Carry out one order and return what was counted."""
    loop = asyncio.get_running_loop()
    run = Run(order, family)
    cpu = time.process_time()
    count = order["connections"]
    records = range(len(run.reads))
    for lane in range(count):
        mine = list(records[lane::count])
        await loop.create_connection(partial(Lane, run, mine), "127.0.0.1", order["port"])
    await asyncio.wait_for(run.over, order["warm"] + order["seconds"] + LONGEST_DRAIN_S)
    answers = sum(run.statuses.values()) - run.statuses["lost"]
    latencies = sorted(run.latencies)
    return {
        "rate": len(latencies) / order["seconds"],
        "p50_ms": _percentile(latencies, 0.50),
        "p99_ms": _percentile(latencies, 0.99),
        "answers": answers,
        "statuses": dict(run.statuses),
        "load_cpu_us": (time.process_time() - cpu) / max(answers, 1) * 1e6,
    }


def _percentile(ordered: list[float], share: float) -> float:
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1e3


async def main() -> None:
    """Carry out orders until standard input ends."""
    families: dict[str, Family] = {}
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        order = json.loads(line)
        if order["kind"] == "sample":
            families[order["family"]] = Family.of(order["sample"])
            result: dict[str, Any] = {"records": len(families[order["family"]].versions)}
        else:
            result = await carry_out(order, families[order["family"]])
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main())
