"""What the doctor says of this machine: each fact that is not as it should be is told, and nothing else."""

from datetime import timedelta
from pathlib import Path

import pytest

from app.operations.finding import Finding, exit_code
from app.operations.host_checks import check_host
from app.operations.host_facts import Lacking, Open
from tests.unit.operations.facts import AT, GIB, host, settings, space, spaces

OPEN_KEY = [Open(Path("/srv/data/keys/root.key"), 0o640, False)]
READABLE = [Open(Path("/srv/data/backups/one"), 0o644, False)]
WRITABLE = [*READABLE, Open(Path("/srv/data/guard"), 0o770, True)]
SPOILED = {
    "scarce": ({"spaces": spaces(backups=9 * GIB)}, "disk", "warning", False),
    "full": ({"spaces": spaces(data=1 << 20)}, "disk", "failed", False),
    "blind": ({"spaces": [space("data")._replace(free=None)]}, "disk", "unknown", False),
    "reserve spent": ({"reserve": 0}, "disk", "warning", False),
    "one disk": ({"spaces": [space("data"), space("backups")]}, "disk", "warning", False),
    "copy of a drill": ({"left": [Path("/srv/data/.drill-x")]}, "disk", "warning", False),
    "no key": ({"keys_fault": "the key file cannot be read"}, "keys", "failed", True),
    "rotation broken off": ({"rotating": True}, "keys", "warning", False),
    "open key": ({"open_keys": OPEN_KEY, "open_others": WRITABLE}, "permissions", "failed", False),
    "open backup": ({"open_others": READABLE}, "permissions", "warning", False),
    "open guard": ({"open_others": WRITABLE}, "permissions", "failed", False),
    "no recipients": ({"recipients": 0, "recipients_fault": "none"}, "recipients", "failed", False),
    "identity": ({"identity": True}, "identity", "warning", False),
    "identity of before": ({"identity": True, "identity_fits": False}, "identity", "warning", False),
    "its demo": ({"identity": True, "identity_fits": False, "demo": True}, "identity", "warning", False),
    "no boto3": ({"lacking": [Lacking("no `s3`", stops=True)]}, "extras", "failed", True),
    "no boto3 yet": ({"lacking": [Lacking("no `s3`", stops=False)]}, "extras", "failed", False),
    "exposed": ({"exposed": "plain HTTP"}, "tls", "failed", True),
}
CERTIFICATES = {
    None: "unknown",
    -timedelta(seconds=1): "failed",
    timedelta(0): "failed",
    timedelta(days=29): "warning",
    timedelta(days=31): "ok",
}


def not_ok(findings: list[Finding]) -> list[tuple[str, str, bool]]:
    return [(one.name, one.result, one.stops) for one in findings if one.result != "ok"]


def test_a_machine_in_good_order_has_nothing_to_mend() -> None:
    """Seven checks, all ok, and the command ends with 0."""
    findings = check_host(host(), settings(), AT)

    assert 7 == len(findings)
    assert [] == not_ok(findings)
    assert 0 == exit_code(findings)


@pytest.mark.parametrize("which", SPOILED)
def test_one_thing_amiss_is_one_finding(which: str) -> None:
    """Each fact that is not as it should be spoils its own check alone, and says what to do."""
    spoiled, name, result, stops = SPOILED[which]
    findings = check_host(host(**spoiled), settings(), AT)  # type: ignore[arg-type]

    assert [(name, result, stops)] == not_ok(findings)
    assert [True] == [bool(one.advice) for one in findings if one.result in ("warning", "failed")] or (
        "unknown" == result
    )
    assert {True: 2, False: 1}[stops] * ("failed" == result) == exit_code(findings)


def test_one_trouble_with_a_disk_does_not_hide_another() -> None:
    """A missing reserve, a scarce disk and backups beside the database are told together."""
    facts = host(reserve=0, spaces=[space("data", 9 * GIB), space("backups")])
    told = check_host(facts, settings(), AT)[0]

    assert "warning" == told.result
    assert [] == [
        one for one in ("the reserve", "9 % free", "one failure takes both") if one not in told.told
    ]
    assert [] == [one for one in ("Make room; a", "larger disk", "another disk") if one not in told.advice]


@pytest.mark.parametrize("lasts", CERTIFICATES)
def test_a_certificate_is_told_of_a_month_before_it_ends(lasts: timedelta | None) -> None:
    """Ended, it failed; inside of thirty days it is a warning; unreadable, it is unknown."""
    until = None if lasts is None else AT + lasts
    given = settings(tls_cert=Path("/srv/c.pem"), tls_key=Path("/srv/k.pem"))
    findings = check_host(host(certificate_until=until), given, AT)

    assert CERTIFICATES[lasts] == findings[-1].result


def test_a_demo_may_hold_what_opens_its_backups() -> None:
    """People of a demo are invented: neither its identity nor its one disk is a warning."""
    facts = host(demo=True, identity=True, spaces=[space("data"), space("backups")])

    assert [] == not_ok(check_host(facts, settings(), AT))


@pytest.mark.parametrize("demo", [False, True])
def test_an_identity_that_does_not_fit_is_told_of(demo: bool) -> None:
    """Of a demo too: it names both files. Off a machine that is no demo the identity belongs all the same."""
    found = check_host(host(identity=True, identity_fits=False, demo=demo), settings(), AT)
    told = next(one for one in found if one.name == "identity")

    assert (
        "/srv/data/backup-identity.txt opens no backup made from now on: its recipient is not in"
        " /srv/data/backup-recipients.txt"
    ) == told.told
    assert "Put its recipient there, or have the identity of one that is." == told.advice[:61]
    assert ("Move it off this machine" in told.advice) is not demo


def test_backups_of_a_server_are_on_another_disk_anyway() -> None:
    """Where the database is a server's, backups may lie beside the data directory."""
    facts = host(spaces=[space("data"), space("backups")], reserve=None)
    given = settings(database_url="postgresql+psycopg://a@localhost/b")

    assert [] == not_ok(check_host(facts, given, AT))


def test_many_open_files_are_counted() -> None:
    """Three are named, the others are a number."""
    many = [Open(Path(f"/srv/{n}"), 0o644, False) for n in range(8)]
    findings = check_host(host(open_others=many), settings(), AT)
    told = next(one.told for one in findings if one.name == "permissions")

    assert "/srv/2" in told
    assert "/srv/3" not in told
    assert told.endswith("and 5 more")
