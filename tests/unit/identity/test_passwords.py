"""Passwords at rest."""

import asyncio
import re
import threading
from statistics import median
from time import thread_time

import argon2
import argon2.profiles
import pytest

from app.core.entropy import SystemEntropy
from app.core.errors import TooManyAttemptsError
from app.identity.passwords import LONGEST_GIVEN, OWASP_46_MIB, PasswordHashes, PasswordPool

PASSWORD = "seven green kettles"


@pytest.fixture
def gate(pool):
    """Something for the pool's thread to wait for; opened before the pool closes."""
    gate = threading.Event()
    yield gate
    gate.set()


def test_only_the_password_itself_is_right(hashes):
    """A password is right exactly as it was set: case and every space count."""
    stored = hashes.hash(PASSWORD)

    assert hashes.check(stored, PASSWORD) is True
    for wrong in (PASSWORD.upper(), PASSWORD + " ", " " + PASSWORD, PASSWORD[:-1], PASSWORD + "\0", ""):
        assert hashes.check(stored, wrong) is False


def test_no_part_of_a_long_password_is_ignored(hashes):
    """Two passwords of 128 characters that differ in the last one are two passwords."""
    stored = hashes.hash("a" * 127 + "b")

    assert hashes.check(stored, "a" * 127 + "b")
    assert not hashes.check(stored, "a" * 127 + "c")


@pytest.mark.parametrize(
    ("chosen", "typed"),
    [("café in the garden", "cafe\u0301 in the garden"), ("１２ ﬁne teapots", "12 fine teapots")],
)
def test_composed_and_decomposed_spellings_are_one_password(hashes, chosen, typed):
    """What two keyboards encode differently for the same keys opens the same account."""
    assert chosen != typed
    assert hashes.check(hashes.hash(chosen), typed)
    assert hashes.check(hashes.hash(typed), chosen)


def test_equal_passwords_have_different_hashes(hashes):
    """Each hash has a salt of its own."""
    assert hashes.hash(PASSWORD) != hashes.hash(PASSWORD)


@pytest.mark.parametrize(
    "odd", ["", "\ud800 lone surrogate", "x" * LONGEST_GIVEN, "x" * (LONGEST_GIVEN + 1), "x" * 1_000_000]
)
def test_odd_input_is_just_wrong(hashes, odd):
    """Whatever is given as a password is refused without an error, known user or not."""
    assert not hashes.check(hashes.hash(PASSWORD), odd)
    assert not hashes.check(None, odd)


def test_too_long_input_is_wrong_even_if_its_beginning_is_right(hashes):
    """Nothing is cut off what is given."""
    assert not hashes.check(hashes.hash("x" * LONGEST_GIVEN), "x" * (LONGEST_GIVEN + 1))
    assert not hashes.check(hashes.hash(""), "x" * (LONGEST_GIVEN + 1))


def test_a_damaged_hash_opens_nothing(hashes):
    """A stored value that is no Argon2 hash refuses every password."""
    stored = hashes.hash(PASSWORD)
    for damaged in ("", "x", "$argon2id$", stored[:20], stored[:-1], stored + "=", "$2b$12$" + "a" * 53):
        assert not hashes.check(damaged, PASSWORD)


def test_production_parameters_and_equal_cost_of_refusals():
    """Production hashes are Argon2id of 46 MiB, and refusing an unknown user costs the same work."""
    hashes = PasswordHashes(SystemEntropy())
    stored = hashes.hash(PASSWORD)

    def cost(stored: str | None, given: str) -> float:
        began = thread_time()
        assert not hashes.check(stored, given)
        return thread_time() - began

    cases = {
        "wrong": (stored, "no"),
        "unknown": (None, "no"),
        "damaged": ("x", "no"),
        "long": (stored, "x" * 9999),
    }
    costs = {name: median(cost(*case) for _ in range(3)) for name, case in cases.items()}

    assert re.match(r"\$argon2id\$v=19\$m=47104,t=1,p=1\$", stored)
    assert argon2.extract_parameters(stored) == OWASP_46_MIB
    assert all(0.5 < costs[name] / costs["wrong"] < 2 for name in cases), costs
    assert hashes.check(stored, PASSWORD)


def test_a_hash_of_other_parameters_still_opens(entropy, hashes):
    """A hash says itself how it was made."""
    dearer = PasswordHashes(entropy, argon2.Parameters(argon2.Type.ID, 19, 8, 4, 2, 8, 1))
    old = hashes.hash(PASSWORD)

    assert dearer.check(old, PASSWORD)


def test_pool_hashes_and_checks(pool):
    """The pool does from the event loop what the hashes do."""

    async def story() -> tuple[bool, bool, bool]:
        stored = await pool.hash(PASSWORD)
        return (
            await pool.check(stored, PASSWORD),
            await pool.check(stored, "wrong"),
            await pool.check(None, PASSWORD),
        )

    assert asyncio.run(story()) == (True, False, False)


def test_pool_works_in_one_thread_beside_the_loop(pool):
    """All work is done in one thread, which is not the event loop's."""

    async def story() -> set[str]:
        return {await pool.run(lambda: threading.current_thread().name) for _ in range(5)}

    names = asyncio.run(story())

    assert names == {"passwords_0"}
    assert threading.current_thread().name not in names


def test_full_pool_refuses_at_once_and_recovers(pool, gate):
    """When three checks wait, the fourth is refused with a time to wait, and room comes back."""

    async def story() -> None:
        waiting = [asyncio.ensure_future(pool.run(gate.wait)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(TooManyAttemptsError) as refused:
            await pool.check(None, PASSWORD)
        assert refused.value.retry_after == 2
        gate.set()
        assert await asyncio.gather(*waiting) == [True, True, True]
        for _ in range(7):
            assert await pool.check(None, PASSWORD) is False

    asyncio.run(story())


def test_callers_who_go_away_give_their_room_back_when_their_work_ends(pool, gate):
    """A caller who hangs up frees a waiting place at once, a running one when its work is done."""

    async def story() -> None:
        began = threading.Event()
        callers = [asyncio.ensure_future(pool.run(lambda: began.set() or gate.wait())) for _ in range(3)]
        await asyncio.to_thread(began.wait)
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
        later = [asyncio.ensure_future(pool.check(None, PASSWORD)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(TooManyAttemptsError):
            await pool.check(None, PASSWORD)
        gate.set()
        assert await asyncio.gather(*later) == [False, False]

    asyncio.run(story())


def test_failed_work_gives_its_room_back(pool):
    """An error in the thread reaches its caller and costs no place."""

    async def story() -> None:
        for _ in range(7):
            with pytest.raises(ZeroDivisionError):
                await pool.run(lambda: 1 // 0)

    asyncio.run(story())


def test_closing_ends_the_thread(entropy):
    """A closed pool leaves no thread behind."""
    pool = PasswordPool(entropy, argon2.profiles.CHEAPEST)
    asyncio.run(pool.hash(PASSWORD))

    pool.close()

    assert not [t for t in threading.enumerate() if t.name.startswith("passwords")]
