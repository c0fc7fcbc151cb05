"""What the doctor says of the database: each fact that is not as it should be is told, and nothing else."""

from datetime import timedelta
from typing import Any

import pytest

from app.core.entropy import SystemEntropy
from app.operations.database_checks import check_database
from app.operations.finding import Finding
from app.vault.keyring import Keyring
from app.vault.sealing import DataKey, keyed_digest
from tests.unit.operations.facts import AT, chain, database, server

ROOT = bytes(32)
CHECK = keyed_digest(DataKey(ROOT, SystemEntropy()).derive("caretrail/v1 key check"), "caretrail")
LONG_AGO = AT - timedelta(minutes=11)
SPOILED: dict[str, tuple[dict[str, Any], str, str, bool]] = {
    "slow clock": ({"chains": [chain(ts=AT + timedelta(seconds=3))]}, "clock", "failed", False),
    "older schema": ({"revision": "r6"}, "schema", "failed", True),
    "no trigger": ({"differences": ["trigger x is missing"]}, "schema", "failed", True),
    "powerful": ({"server": server(power="it is a superuser")}, "schema", "failed", True),
    "no keys": ({"key_check": None}, "root-key", "failed", True),
    "foreign key": ({"key_check": b"another"}, "root-key", "failed", True),
    "keys under way": ({"rotating": 2}, "root-key", "warning", False),
    "guard ahead": ({"chains": [chain(), chain(guard="ahead")]}, "trail", "failed", True),
    "guard of others": ({"chains": [chain(guard="other")]}, "trail", "failed", True),
    "guard lost": ({"chains": [chain(guard="lost")]}, "trail", "failed", True),
    "guard damaged": ({"chains": [chain(guard="the guard {file} is damaged")]}, "trail", "failed", True),
    "signed beyond": ({"chains": [chain(signed=11)]}, "trail", "failed", True),
    "unsigned": ({"chains": [chain(signed=9)]}, "trail", "warning", False),
    "long unsigned": ({"chains": [chain(signed=None, ts=LONG_AGO)]}, "trail", "failed", False),
    "open to all": ({"server": server(open_to_all=True)}, "schema", "warning", False),
    "may forget": ({"server": server(durability={"fsync": "off"})}, "replication", "failed", True),
    "standby away": ({"server": server(standbys=[])}, "replication", "failed", False),
    "none in time": ({"server": server(standbys=[("streaming", "async")])}, "replication", "failed", False),
    "catching up": ({"server": server(standbys=[("catchup", "sync")])}, "replication", "failed", False),
    "one standby": ({"server": server(standbys=[("streaming", "sync")])}, "replication", "warning", False),
    "degraded": (
        {"server": server(standby_names="", servers=2, standbys=[])},
        "replication",
        "warning",
        False,
    ),
    "degraded, one back": ({"server": server(standby_names="")}, "replication", "warning", False),
    "commits wait": ({"server": server(waiting=2)}, "replication", "failed", False),
    "cannot degrade": ({"server": server(powerless=("care_owner", "care"))}, "replication", "warning", False),
    "blind": ({"server": server(standbys=[("", "")])}, "replication", "unknown", False),
    "fast server": ({"server": server(ahead=timedelta(seconds=3))}, "clock", "warning", False),
    "slow server": ({"server": server(ahead=-timedelta(seconds=61))}, "clock", "failed", False),
}


def findings_of(**spoiled: Any) -> list[Finding]:
    return check_database(database(**{"key_check": CHECK} | spoiled), Keyring(ROOT, SystemEntropy()), AT)


def not_ok(findings: list[Finding]) -> list[tuple[str, str, bool]]:
    return [(one.name, one.result, one.stops) for one in findings if one.result != "ok"]


@pytest.mark.parametrize("kind", [None, server(), server(standby_names="", standbys=[])])
def test_a_database_in_good_order_has_nothing_to_mend(kind: Any) -> None:
    """SQLite, a server with two standbys, and one without: five checks, all ok."""
    findings = findings_of(server=kind)

    assert 5 == len(findings)
    assert [] == not_ok(findings)


@pytest.mark.parametrize("which", SPOILED)
def test_one_thing_amiss_is_one_finding(which: str) -> None:
    """Each fact that is not as it should be spoils its own check alone."""
    spoiled, name, result, stops = SPOILED[which]

    assert [(name, result, stops)] == not_ok(findings_of(**spoiled))


def test_what_is_weak_about_standbys_is_told_together() -> None:
    """With one standby the right to go on without it matters most: neither hides the other."""
    found = findings_of(server=server(standbys=[("streaming", "sync")], powerless=("care_owner", "care")))
    (told,) = [one for one in found if one.name == "replication"]

    assert "one standby streams" in told.told
    assert "care_owner may not" in told.told
    assert "in the database care: SET" in told.advice


def test_lines_of_this_minute_need_no_signature_yet() -> None:
    """A service signs once a second: a line that is newer is not told of."""
    fresh = chain(signed=9, ts=AT - timedelta(seconds=59))

    assert [] == not_ok(findings_of(chains=[fresh]))


def test_without_a_root_key_nothing_is_said_of_it() -> None:
    """A key that cannot be read is told by the check of keys; here it is unknown."""
    findings = check_database(database(key_check=CHECK), None, AT)

    assert [("root-key", "unknown", False)] == not_ok(findings)


def test_of_another_versions_schema_little_is_asked() -> None:
    """Where the tables may be others, the key is unknown rather than missing."""
    findings = findings_of(revision="r6", key_check=None, chains=[])

    assert [("schema", "failed", True), ("root-key", "unknown", False)] == not_ok(findings)
