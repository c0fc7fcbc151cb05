"""Asking for addresses: a resolver that hangs takes nothing from the rest of the process."""

import asyncio
import socket
import subprocess
import sys
import threading
from time import perf_counter

import pytest

from app.webhooks.addresses import judge_url
from app.webhooks.resolving import AT_ONCE, look_up

FOUND = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.215.14", 443))] * 2
URL = "https://hooks.example.org/"
LEFT_HANGING = """
import asyncio, socket, time
from app.webhooks.resolving import look_up

socket.getaddrinfo = lambda *_, **__: time.sleep(120)


async def ask():
    for n in range(3):
        try:
            async with asyncio.timeout(0.1):
                await look_up("hooks.example.org", 443)
        except TimeoutError:
            print("given up")


asyncio.run(ask())
"""


@pytest.fixture
def hanging(monkeypatch):
    """A resolver that says nothing until it is let go; how many questions it holds, at most."""
    let_go, asked = threading.Event(), []

    def hang(*_args, **_options):
        asked.append(threading.current_thread())
        let_go.wait(60)
        return FOUND

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    yield asked, let_go
    let_go.set()


def test_the_addresses_of_a_name_are_those_the_system_knows(monkeypatch):
    """Each once, in their order."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: FOUND)

    assert ["93.184.215.14"] == asyncio.run(look_up("hooks.example.org", 443))
    assert None is asyncio.run(judge_url(URL))


@pytest.mark.parametrize("error", [socket.gaierror(), UnicodeError()])
def test_a_name_nobody_has_is_told_as_the_system_tells_it(monkeypatch, error):
    """The caller gets the system's own error, and turns it into its words."""

    def unknown(*_args, **_options):
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    with pytest.raises(type(error)):
        asyncio.run(look_up("hooks.example.org", 443))
    assert "address-refused" == asyncio.run(judge_url(URL)).why


def test_a_resolver_that_hangs_holds_up_no_other_thread(hanging, monkeypatch):
    """Judging and disk watch find their threads free, and the event loop ends without waiting."""
    monkeypatch.setattr("app.webhooks.addresses.LOOK_UP_S", 0.2)

    async def many():
        refused = await asyncio.gather(*(judge_url(URL) for _ in range(3 * AT_ONCE)))
        assert all(one.why == "address-refused" for one in refused)
        return await asyncio.wait_for(asyncio.to_thread(lambda: "free"), 5)

    began = perf_counter()
    assert "free" == asyncio.run(many())

    assert perf_counter() - began < 5
    asked, _ = hanging
    assert AT_ONCE == len(asked) == len(set(asked)), "no more threads than that"


def test_what_nobody_waits_for_is_not_asked(hanging, monkeypatch):
    """A question that was given up while all threads hang is left out when one is free again."""
    monkeypatch.setattr("app.webhooks.addresses.LOOK_UP_S", 0.2)
    asked, let_go = hanging

    async def many():
        await asyncio.gather(*(judge_url(URL) for _ in range(3 * AT_ONCE)))

    asyncio.run(many())
    let_go.set()

    assert ["93.184.215.14"] == asyncio.run(look_up("hooks.example.org", 443))
    assert AT_ONCE + 1 == len(asked)


def test_the_process_ends_although_questions_hang():
    """Nothing waits at the end for a resolver that never answers."""
    run = subprocess.run(
        [sys.executable, "-c", LEFT_HANGING], capture_output=True, text=True, timeout=60, check=False
    )

    assert (0, "given up\n" * 3, "") == (run.returncode, run.stdout, run.stderr)
