"""Which backups stay."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.backups import shelf
from app.backups.archive import BackupRefusedError
from app.backups.shelf import Kept, Rule, superfluous

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def made(hours_ago: float, fault: str | None = None) -> Kept:
    at = NOW - timedelta(hours=hours_ago)
    return Kept(Path(f"{at:%Y%m%dT%H%M%SZ}"), 1, "id", at, "sqlite", "x", fault)


def left(found: list[Kept], rule: Rule) -> list[Kept]:
    going = superfluous(found, rule, NOW)
    return [one for one in found if one not in going]


def test_a_year_of_nights_is_thinned_to_days_weeks_and_months():
    """Of 400 nightly backups with 7 days, 5 weeks and 12 months, 22 stay: the newest of each."""
    kept = left([made(24 * day) for day in range(400)], Rule(7, 5, 12))
    ages = [(NOW - one.made_at).days for one in kept]
    assert ages[:7] == [0, 1, 2, 3, 4, 5, 6]
    assert len(ages) == 7 + 4 + 11, "the newest week and month are kept as days already"
    assert max(ages) < 366


def test_everything_of_the_last_day_stays():
    """Backups made by hand today are not thinned, however many."""
    found = [made(hours) for hours in range(30)]
    assert left(found, Rule(1, 0, 0)) == found[:24]


def test_the_newest_stays_whatever_the_rule_says():
    """A rule that keeps nothing, or a service that stood still for years, keeps the newest backup."""
    found = [made(24 * 900), made(24 * 901)]
    assert left(found, Rule(0, 0, 0)) == found[:1]


def test_what_is_not_ours_is_neither_counted_nor_removed():
    """A damaged or foreign file stays where it is and is never taken for the newest."""
    bad = made(0, fault="foreign")
    found = [bad, made(24 * 9), made(24 * 10)]
    assert left(found, Rule(0, 0, 0)) == [bad, found[1]]


def test_nothing_goes_while_the_newest_is_damaged(bench, tmp_path):
    """Before anything is removed the newest backup is read whole: if it is rotten, the old ones stay."""
    long_ago = [bench.make(NOW - timedelta(days=days)) for days in (30, 20, 10)]
    newest = long_ago[-1].path
    data = bytearray(newest.read_bytes())
    data[2000] ^= 1  # the sealed content: form and signature are still right
    newest.write_bytes(data)
    with pytest.raises(BackupRefusedError):
        shelf.tidy(bench.folder, bench.keys, Rule(1, 0, 0), NOW)
    assert all(one.path.exists() for one in long_ago)
    data[2000] ^= 1
    newest.write_bytes(data)
    assert shelf.tidy(bench.folder, bench.keys, Rule(1, 0, 0), NOW) == [
        one.path for one in (long_ago[1], long_ago[0])
    ]


def test_the_list_names_what_cannot_be_used(bench):
    """Unusable files stand at the end of the list, with the reason."""
    bench.make(NOW)
    (bench.folder / "zz.caretrail-backup").write_bytes(b"no backup at all")
    found = shelf.listed(bench.folder, bench.keys)
    assert found[0].fault is None
    assert (found[-1].path.name, found[-1].fault) == ("zz.caretrail-backup", "damaged")
