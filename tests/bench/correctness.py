"""After the load: every answer has its entry, and the chain holds from its first line to its head.

A benchmark of something that does not work is worth nothing, so a run that fails this check reports no
figures.
"""

from sqlalchemy import Engine, text

from app.audit import merkle
from app.audit.verify import ChainCheck
from app.core.settings import load
from app.storage.engine import open_engine

READ_AT_ONCE = 20_000


def entries(settings: dict[str, str], org: str) -> int:
    """Return how many entries a chain has."""
    engine = _engine(settings)
    with engine.connect() as connection:
        size = connection.execute(text("SELECT size FROM audit_head WHERE org = :org"), {"org": org})
        found = int(size.scalar_one())
    engine.dispose()
    return found


def check(settings: dict[str, str], org: str, expected: int) -> int:
    """Verify a whole chain and return its length; raise if it is not the one the load must have left."""
    engine = _engine(settings)
    chain = ChainCheck(org)
    with engine.connect() as connection:
        head = connection.execute(
            text("SELECT size, peaks FROM audit_head WHERE org = :org"), {"org": org}
        ).one()
        for start in range(0, head.size, READ_AT_ONCE):
            lines = connection.execute(
                text(
                    "SELECT line FROM audit_event WHERE org = :org AND seq >= :start AND seq < :after"
                    " ORDER BY seq"
                ),
                {"org": org, "start": start, "after": start + READ_AT_ONCE},
            )
            chain.feed([bytes(line) for line in lines.scalars()])
    engine.dispose()
    root = merkle.root(merkle.unpack(bytes(head.peaks), head.size))
    if chain.fault is not None or chain.size != head.size or chain.tree.root() != root:
        raise RuntimeError(f"the trail does not hold after the load: {chain.fault}")
    if head.size != expected:
        raise RuntimeError(f"{expected} entries are due, the trail holds {head.size}")
    return int(head.size)


def _engine(settings: dict[str, str]) -> Engine:
    return open_engine(load(**settings).database_url.get_secret_value(), patient=True)
