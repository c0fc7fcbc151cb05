"""An approval of an erasure that is sent twice: two entries, one erasure, and nobody is accused."""

from pathlib import Path

from app.audit.database_check import check_database
from app.audit.verify import verify_export
from app.trail.derived import check_derived
from tests.http.test_contract_erasure import BODY, entries, former_resident, made
from tests.support.served import Served


def test_an_approval_sent_twice_is_one_erasure(served: Served, tmp_path: Path) -> None:
    """The database and an export are intact after it, and both name the first entry."""
    world = served.world
    manager, officer = (world.person(role, None) for role in ("registered_manager", "privacy_officer"))
    path = former_resident(served, manager)
    asked = made(served, f"{path}/erasure", officer, BODY)
    key = {"Idempotency-Key": f"approve-{asked['id']}"}
    first, again = (
        served.ask("POST", f"/v1/erasures/{asked['id']}/approve", manager, headers=key) for _ in range(2)
    )
    [one], [other] = served.lines_of(first), served.lines_of(again)
    assert ([200, 200], first.json()) == ([first.status_code, again.status_code], again.json())
    assert [("resident.erase", "ok")] * 2 == entries([one, other])
    assert (True, False) == ("erased" in one.e, "erased" in other.e)
    world.pass_time(seconds=1)
    out = tmp_path / "trail.zip"
    out.write_bytes(served.ask("GET", "/v1/audit/export", manager, params={"format": "zip"}).content)

    whole = check_database(
        world.engine,
        served.desk.notary,
        None,
        lambda snapshot, report: check_derived(snapshot, report, world.entropy, world.keyring, world.now),
    )
    stored = next(chain for chain in whole.chains if chain.organisation == world.org)
    exported = verify_export(out, served.desk.notary.vkeys(world.org))

    resident = path.rpartition("/")[2]
    told = f"resident {resident} was erased under entry #{one.seq} (retention_ended)"
    for report in (stored, exported):
        assert [] == report.findings, report.as_text()
        assert [] == [doubt for doubt in report.doubts if doubt.startswith("ERASED")]
        assert [told] == [text[: len(told)] for text in report.checked if resident in text]
    assert f"erased under entry #{other.seq}" not in stored.as_text()
    assert f"erased under entry #{one.seq}" in next(text for text in stored.checked if "sealed" in text)
    assert 0 == exported.exit_code, exported.as_text()
