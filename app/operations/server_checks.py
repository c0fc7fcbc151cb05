"""What the doctor says where a database has several servers: which one it looked at, and of the others."""

from collections.abc import Sequence

from app.operations.finding import Finding, failed, ok
from app.storage.servers import ServerState

_LOST = "If the primary is gone for good, promote a standby: see The primary is lost in the operations guide."
_OTHERS_FIRST = (
    "Another of the servers may have every line: look there before anything else (`caretrail replication"
    " status`), stop this one, and see The primary is lost in the operations guide."
)
_TWO = "Stop the one that was left behind: see The primary is lost in the operations guide."


def among_servers(findings: Sequence[Finding], servers: Sequence[ServerState]) -> list[Finding]:
    """Return the findings about a database, as they are to be read where it has these servers.

    Args:
        findings: What was found of the one that is used.
        servers: What each says of itself; fewer than two change nothing.
    """
    if len(servers) < 2:
        return list(findings)
    return [_told(one, servers) for one in findings]


def _told(finding: Finding, servers: Sequence[ServerState]) -> Finding:
    primaries = [one for one in servers if one.role == "primary"]
    match finding.name:
        case "database" if finding.result == "ok" and primaries:
            used = max(primaries, key=lambda one: one.timeline or 0)
            return ok("database", f"{used.address} answers, one of {len(servers)} servers")
        case "database" if finding.result == "failed":
            return finding._replace(advice=f"Look with `caretrail replication status`. {_LOST}")
        case "trail" if finding.stops:
            return finding._replace(advice=f"{_OTHERS_FIRST} Only if none has: {finding.advice}")
        case "replication" if len(primaries) > 1:
            named = ", ".join(f"{one.address} on timeline {one.timeline}" for one in primaries)
            return failed("replication", f"two servers take writes: {named}", _TWO)
    return finding
