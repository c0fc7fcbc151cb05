"""What the watch over the standbys says, and when it makes a process leave its server."""

import asyncio

from app.core import lasting
from app.operations import replication
from app.operations.replication import SAY_AGAIN_S, STANDBYS, ReplicationWatch
from app.storage.servers import Address, ServerState

A, B = Address("a", "1"), Address("b", "1")
WAITED = "ANY 1 (a, b)"


class Times:
    """Seconds that pass when told, and behind which timelines a server was to be left."""

    def __init__(self) -> None:
        self.now = 0.0
        self.left: list[int] = []


def watch_with(times: Times) -> ReplicationWatch:
    return ReplicationWatch("postgresql+psycopg://a,b/d", times.left.append, now=lambda: times.now)


def primary(address: Address, timeline: int, names: str = WAITED, standbys: int = 1) -> ServerState:
    return ServerState(address, "primary", timeline, names, standbys)


def said(caplog, event: str) -> int:
    return sum(record.message == event for record in caplog.records)


def test_degraded_is_said_at_once_and_every_hour_until_it_is_over(caplog):
    """When commits wait for nobody though two servers are named, log and metric say so until it ends."""
    times, standby = Times(), ServerState(B, "standby", None, WAITED)
    watch = watch_with(times)
    watch.take([primary(A, 1), standby])
    assert (
        {"replication_degraded": 0, "replication_primaries": 1, "replication_standbys": 1}
    ) == watch.gauges()

    for seconds, count in ((0, 1), (60, 1), (SAY_AGAIN_S, 2)):
        times.now = seconds
        watch.take([primary(A, 1, "", 0), standby])
        assert (1, count) == (watch.gauges()["replication_degraded"], said(caplog, "replication-degraded"))
    watch.take([ServerState(A, "unreachable"), standby])
    assert 0 == said(caplog, "replication-restored")  # nobody knows
    watch.take([primary(A, 1), standby])
    assert (0, 1) == (watch.gauges()["replication_degraded"], said(caplog, "replication-restored"))
    assert set(STANDBYS) == set(watch.gauges())


def test_one_server_alone_is_no_degraded_pair(caplog):
    """Where one server is named and commits never waited, nothing is missing; where they did, it is."""
    watch = watch_with(Times())
    watch.take([primary(A, 1, "", 0)])
    assert not watch.degraded
    watch.take([primary(A, 1)])
    watch.take([primary(A, 1, "", 0)])
    assert watch.degraded


def test_beside_a_newer_primary_the_older_is_left(caplog):
    """While two servers take writes whoever is on the older leaves it; it is said once for each promotion."""
    times = Times()
    watch = watch_with(times)
    watch.take([primary(A, 1), ServerState(B, "standby")])
    assert [] == times.left
    for _ in range(3):
        watch.take([primary(A, 1), primary(B, 2)])
    assert ([2, 2, 2], 1, 2) == (
        times.left,
        said(caplog, "two-primaries"),
        watch.gauges()["replication_primaries"],
    )
    watch.take([primary(A, 3), primary(B, 2)])
    assert ([2, 2, 2, 3], 2) == (times.left, said(caplog, "two-primaries"))


def test_the_watch_goes_on_after_a_defect(caplog, monkeypatch):
    """Whatever leaving a server or asking one raises is told, and after a pause it looks again."""
    monkeypatch.setattr(lasting, "AGAIN_S", 0.05)
    monkeypatch.setattr(replication, "LOOK_EVERY_S", 0.01)
    breaks: list[type[Exception]] = [RuntimeError, KeyError]
    left: list[int] = []

    def leave(newest: int) -> None:
        if breaks:
            raise breaks.pop(0)
        left.append(newest)

    async def run() -> None:
        watch = ReplicationWatch(
            "postgresql://a,b/d", leave, look=lambda _url: [primary(A, 1), primary(B, 2)]
        )
        watch.start()
        async with asyncio.timeout(10):
            while len(left) < 3:
                await asyncio.sleep(0.01)
        assert not watch.lasting.broken
        await watch.stop()

    asyncio.run(run())

    told = [(record.kind, record.cause) for record in caplog.records if record.message == "broken-off"]
    assert [("replication-watch", "RuntimeError"), ("replication-watch", "KeyError")] == told


def test_on_sqlite_nothing_is_looked_at():
    """A file has no servers: no readings."""
    watch = ReplicationWatch("sqlite:///x", lambda _newest: None)
    watch.start()
    assert {} == watch.gauges()
    assert not watch.degraded
