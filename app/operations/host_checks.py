"""What the doctor says of this machine. Pure: from facts to findings."""

from datetime import datetime, timedelta

from app.core.settings import Settings, variable_of
from app.operations.disk import Space
from app.operations.finding import Finding, failed, ok, unknown, warning
from app.operations.host_facts import HostFacts, Open
from app.storage.reserve import RESERVED

RENEW_WITHIN = timedelta(days=30)
_AWAY = "Move it off this machine; bring it for a drill, and take it away again."
_NAMED = 3
"""So many files are named; of more, the number."""


def check_host(facts: HostFacts, settings: Settings, at: datetime) -> list[Finding]:
    """Return the findings that need no database."""
    sqlite = settings.database_url.get_secret_value().startswith("sqlite")
    return [
        disk(facts, sqlite=sqlite),
        keys(facts, settings),
        permissions(facts),
        recipients(facts, settings),
        identity(facts, settings),
        extras(facts, settings),
        tls(facts, settings, at),
    ]


def disk(facts: HostFacts, *, sqlite: bool) -> Finding:
    """Say whether there is room, whether backups lie on a disk of their own, and what has to go."""
    blind = [space for space in facts.spaces if space.free is None]
    if blind:
        return unknown("disk", f"the room in {blind[0].path} cannot be asked for")
    full = [space for space in facts.spaces if (space.free or 0) < RESERVED]
    if full:
        told = f"{_room(full[0])}: the next entry may find none, and then nothing is shown"
        return failed("disk", told, "Make room now: see Disk full in the operations guide.")
    if amiss := _scarce(facts, sqlite=sqlite):
        return warning("disk", "; ".join(told for told, _ in amiss), " ".join(todo for _, todo in amiss))
    return ok("disk", "; ".join(map(_room, facts.spaces)))


def _scarce(facts: HostFacts, *, sqlite: bool) -> list[tuple[str, str]]:
    """Return what is to be mended about disks that are not full, and how: one does not hide the other."""
    found = []
    if facts.reserve is not None and facts.reserve < RESERVED:
        told = "the reserve is not there: it was used up, there was no room for it, or nothing served yet"
        found.append((told, "Make room; a running service keeps it back again within a minute."))
    if scarce := [space for space in facts.spaces if space.scarce]:
        found.append(("; ".join(map(_room, scarce)), "Make room, or give it a larger disk."))
    if facts.left:
        told = (
            f"a drill that was killed left an opened copy of the database: {', '.join(map(str, facts.left))}"
        )
        found.append((told, "The next backup, drill or start removes it; or remove it yourself."))
    by_name = {space.folder: space.device for space in facts.spaces}
    if sqlite and not facts.demo and by_name["backups"] == by_name["data"]:
        told = "backups are on the disk of the database: one failure takes both"
        found.append((told, f"Set {variable_of('backup_dir')} to another disk, and copy it off."))
    return found


def keys(facts: HostFacts, settings: Settings) -> Finding:
    """Say whether the keys can be used. Whether they are the database's own is asked there."""
    if facts.keys_fault is not None:
        return failed("keys", facts.keys_fault, "See Lost key in the operations guide.", stops=True)
    if facts.rotating:
        told = "a root key to come was made, and its rotation not ended"
        return warning("keys", told, "Run `caretrail keys rotate root` again: it goes on where it was.")
    if settings.keys_provider == "transit":
        told = f"root key in Transit at {settings.transit_address}, {settings.transit_mount}/"
        told += f"{settings.transit_key}; signing key in {settings.keys_dir}, for its owner alone"
        return ok("keys", told)
    return ok("keys", f"root key and signing key in {settings.keys_dir} are there, for their owner alone")


def permissions(facts: HostFacts) -> Finding:
    """Say whether others on this machine may read or change what is the service's."""
    if facts.open_keys:
        told = f"others may use what is in the keys folder: {_listed(facts.open_keys)}"
        return failed("permissions", told, "chmod 700 the folder, 600 the files; then rotate the keys.")
    writable = [one for one in facts.open_others if one.writable]
    if writable:
        told = f"others may change {_listed(writable)}"
        return failed("permissions", told, "chmod 700 folders, 600 files.")
    if facts.open_others:
        told = f"others may read {_listed(facts.open_others)}"
        return warning("permissions", told, "chmod 700 folders, 600 files.")
    told = (
        "keys, guard, backups and database are for their owner alone, and so is who opens backups and packs"
    )
    return ok("permissions", told)


def recipients(facts: HostFacts, settings: Settings) -> Finding:
    """Say whether backups can be made at all."""
    if facts.recipients_fault is not None:
        advice = (
            "Make an identity elsewhere with `caretrail backup identity`, and put its recipient there."
            " After a restore: take the file over from the lost data directory; it is in no backup."
        )
        return failed("recipients", f"no backup is made: {facts.recipients_fault}", advice)
    many = "recipient" if facts.recipients == 1 else "recipients"
    return ok(
        "recipients", f"backups are sealed for {facts.recipients} {many} in {settings.backup_recipients}"
    )


def identity(facts: HostFacts, settings: Settings) -> Finding:
    """Say whether what opens backups lies beside what it opens, and whether it does open them."""
    if not facts.identity:
        return ok("identity", "what opens backups is not on this machine")
    file, away = settings.backup_identity, "" if facts.demo else f" {_AWAY}"
    if facts.identity_fits is False:
        told = (
            f"{file} opens no backup made from now on: its recipient is not in {settings.backup_recipients}"
        )
        return warning(
            "identity", told, f"Put its recipient there, or have the identity of one that is.{away}"
        )
    if facts.demo:
        return ok("identity", "this is a demo: what opens its backups is here so that drills can run")
    return warning("identity", f"{file} opens every backup, and whoever takes this machine has it", _AWAY)


def extras(facts: HostFacts, settings: Settings) -> Finding:
    """Say whether what the settings ask for can be done with what is installed."""
    if not facts.lacking:
        return ok("extras", "what the settings ask for is installed")
    advice = "Install it where the service runs, or unset what asks for it; then restart."
    stops = settings.jobs == "serve" and any(one.stops for one in facts.lacking)
    return failed("extras", "; ".join(one.told for one in facts.lacking), advice, stops=stops)


def tls(facts: HostFacts, settings: Settings, at: datetime) -> Finding:
    """Say whether records would be sent unprotected, and how long the certificate lasts."""
    if facts.exposed is not None:
        return failed("tls", facts.exposed, "See TLS in the operations guide.", stops=True)
    if settings.tls_cert is None:
        if settings.behind_tls_proxy:
            whose = settings.forwarded_allow_ips
            return ok("tls", f"a proxy ends TLS; what it says of clients is believed from {whose} only")
        return ok("tls", f"plain HTTP, on this machine only ({settings.host})")
    if facts.certificate_until is None:
        return unknown("tls", f"the end of the certificate {settings.tls_cert} cannot be read")
    return _lasting(facts.certificate_until, at)


def _lasting(until: datetime, at: datetime) -> Finding:
    if until <= at:
        return failed("tls", f"the certificate ended on {until:%Y-%m-%d}", "Renew it, then restart.")
    if until - at < RENEW_WITHIN:
        return warning("tls", f"the certificate ends on {until:%Y-%m-%d}", "Renew it, then restart.")
    return ok("tls", f"the certificate lasts until {until:%Y-%m-%d}")


def _room(space: Space) -> str:
    assert space.free is not None  # noqa: S101 - what is not known was sorted out before
    return f"{space.folder} {round(100 * (space.share or 0))} % free ({_size(space.free)} in {space.path})"


def _size(size: int) -> str:
    return f"{size / (1 << 30):.1f} GiB" if size >= 1 << 30 else f"{size / (1 << 20):.0f} MiB"


def _listed(found: list[Open]) -> str:
    named = ", ".join(f"{one.path} ({one.mode:04o})" for one in found[:_NAMED])
    return named if len(found) <= _NAMED else f"{named} and {len(found) - _NAMED} more"
