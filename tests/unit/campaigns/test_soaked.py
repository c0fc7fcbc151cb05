"""What a soak is judged by: leaks, drift and lost entries are found, and nothing is where nothing was."""

import hashlib
import json
import random
import zipfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.campaigns.soaked import MB_AN_HOUR, Sample, judged, lines_of, slope, unaccounted
from tests.campaigns.soaking import Told

STEADY = Sample(0, 160.0, 43, 6, 950, 6.0, 40.0, 3.0, 20.0, wal_mb=4.2, connections=5, idle=0.4)
HALF_AN_HOUR = 180
RECEIPT = "org/7/0123456789abcdef"


def soaked(
    change: Callable[[float], dict[str, Any]] = lambda _: {}, count: int = HALF_AN_HOUR
) -> list[Sample]:
    """Return samples of a run with the noise of a real one, changed as a function of the hours says."""
    chance, samples = random.Random(7), []
    for n in range(count):
        noisy = replace(
            STEADY,
            at_s=10.0 * (n + 1),
            rss_mb=160 + chance.uniform(-1, 1) + 46 * (n % 17 == 0),  # Argon2 at work
            descriptors=43 + chance.randrange(3),
            p99_ms=40 * chance.uniform(0.5, 2),
        )
        samples.append(replace(noisy, **change(n / 360)))
    return samples


def test_a_steady_server_is_sound():
    """Noise and the peaks of sign-ins are no growth."""
    told, problems = judged(soaked())

    assert [] == problems
    assert abs(told["rss_mb_an_hour"]) < 5


def test_warming_up_is_no_leak():
    """Memory that grows in the first third and stays is no problem, however much it was."""
    assert [] == judged(soaked(lambda hours: {"rss_mb": 160 + min(hours, 1 / 6) * 600}))[1]


def test_a_slow_leak_is_found_in_three_hours():
    """60 MB an hour, 167 bytes a request; the report says how fast it was."""
    told, problems = judged(soaked(lambda hours: {"rss_mb": 160 + hours * 60}, count=6 * HALF_AN_HOUR))

    assert ["rss_mb went from 249.92 to 309.92"] == problems
    assert pytest.approx(60, abs=1) == told["rss_mb_an_hour"]
    assert told["rss_mb_an_hour"] > told["rss_mb_an_hour_at_most"] == MB_AN_HOUR


def test_a_leak_is_found_in_half_an_hour_if_it_is_faster_than_windows_fill():
    """What filling explains is no problem yet; what it does not explain is one."""
    assert [] == judged(soaked(lambda hours: {"rss_mb": 160 + hours * 150}))[1]
    assert ["rss_mb went from 234.58 to 284.58"] == judged(
        soaked(lambda hours: {"rss_mb": 160 + hours * 300})
    )[1]


def test_memory_of_a_short_run_is_not_judged_and_that_is_told():
    """Two minutes cannot tell a leak from warming up; descriptors they can judge."""
    told, problems = judged(soaked(lambda hours: {"rss_mb": 160 + hours * 900}, count=12))

    assert [] == problems
    assert "not judged: the run was too short" == told["rss_mb"]
    assert [] != judged(soaked(lambda hours: {"descriptors": 43 + int(hours * 900)}, count=12))[1]


@pytest.mark.parametrize(
    ("name", "grown"),
    [
        ("descriptors", lambda hours: 43 + int(hours * 60)),
        ("threads", lambda hours: 6 + int(hours * 20)),
        ("connections", lambda hours: 5 + int(hours * 20)),
        ("wal_mb", lambda hours: 4 + hours * 200),
        ("behind", lambda hours: int(hours * 20_000)),
        ("cpu_ms", lambda hours: 3 + hours * 12),
        ("p50_ms", lambda hours: 6 + hours * 60),
        ("p99_ms", lambda hours: 40 + hours * 1_000),
    ],
)
def test_what_grows_or_drifts_is_found(name: str, grown: Callable[[float], float]):
    """Each measure by itself, and no other with it."""
    _, problems = judged(soaked(lambda hours: {name: grown(hours)}))

    assert [name] == [problem.split()[0] for problem in problems]


def test_slow_answers_of_a_busy_machine_are_not_held_against_the_server():
    """Where nothing was idle latencies are not judged, and the report says so; all else is."""
    told, problems = judged(soaked(lambda hours: {"p50_ms": 6 + hours * 600, "idle": 0.02}))

    assert [] == problems
    assert "not judged: the machine was busy" == told["p50_ms"]
    assert {"middle": 3.0, "last": 3.0} == told["cpu_ms"]


def test_few_samples_tell_nothing():
    """A run that was too short is no success."""
    assert ["8 samples tell nothing"] == judged(soaked(count=8))[1]


def test_the_slope_is_deaf_to_peaks():
    """A fifth of the samples far above the rest turns nothing."""
    samples = soaked(lambda hours: {"rss_mb": 160 + hours * 20 + 400 * (int(hours * 360) % 5 == 0)})

    assert slope(samples) == pytest.approx(20, abs=5)


# --- every answer once ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "told",
    [
        (Told("note", 200, RECEIPT), [(RECEIPT, "r1", "ok")]),
        (Told("refused", 403, RECEIPT), [(RECEIPT, "r1", "deny")]),
        (Told("mistyped", 401), [(RECEIPT, "r1", "fail")]),
        (Told("hang_up"), []),
        (Told("hang_up"), [(RECEIPT, "r1", "ok")]),
        (Told("stream", 200, RECEIPT), [(RECEIPT, "r1", "ok"), ("org/9/01", "r1", "ok")]),
    ],
)
def test_an_answer_with_its_entry_is_accounted_for(told):
    """One entry at the receipt; none or one where nobody waited for the answer; two of a stream."""
    one, lines = told

    assert [] == unaccounted({"r1": one}, lines)


@pytest.mark.parametrize(
    ("one", "lines"),
    [
        (Told("note", 200, RECEIPT), []),
        (Told("note", 200, RECEIPT), [(RECEIPT, "r1", "ok"), ("org/8/01", "r1", "ok")]),
        (Told("note", 200, RECEIPT), [("org/8/01", "r1", "ok")]),
        (Told("note", 200), [(RECEIPT, "r1", "ok")]),
        (Told("note", 200, RECEIPT), [(RECEIPT, "r1", "deny")]),
        (Told("refused", 403, RECEIPT), [(RECEIPT, "r1", "ok")]),
        (Told("hang_up"), [(RECEIPT, "r1", "ok"), ("org/8/01", "r1", "ok")]),
        (Told("hang_up"), [(RECEIPT, "r2", "ok")]),
    ],
)
def test_an_answer_without_exactly_its_own_entry_is_found(one, lines):
    """Lost, doubled, elsewhere, without a receipt, of another outcome, or of a request nobody sent."""
    assert 1 == len(unaccounted({"r1": one}, lines))


def test_lines_are_read_with_their_receipts(tmp_path):
    """Receipt, request and outcome of each line that a client of a soak caused; of no other."""
    lines = [
        {"c": {"org": "org", "seq": n}, "e": {"out": "ok", "src": {"rid": rid}} if rid else {"out": "ok"}}
        for n, rid in enumerate(["soak-1-1", "", "somebody-else"])
    ]
    written = [json.dumps(line).encode() for line in lines]
    with zipfile.ZipFile(tmp_path / "trail.zip", "w") as archive:
        archive.writestr("events.jsonl", b"\n".join(written) + b"\n")

    leaf = hashlib.sha256(b"\0" + written[0]).hexdigest()[:16]
    assert [(f"org/0/{leaf}", "soak-1-1", "ok")] == list(lines_of(tmp_path / "trail.zip"))
