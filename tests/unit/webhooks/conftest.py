"""Worlds whose webhooks are delivered as a process would deliver them, to a real receiver."""

import asyncio

import pytest

from app.access.visit import System, VisitRefusedError
from app.core.errors import CaretrailError
from app.core.settings import Settings
from app.webhooks.delivering import Delivering
from app.webhooks.managing import CreateEndpoint
from tests.support.receiver import Authority, Receiver


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """A certificate authority of a provider's own."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def receiver(authority):
    """Another system, on this machine, over TLS."""
    with Receiver(authority.certify("localhost")) as receiver:
        yield receiver


@pytest.fixture
def world(each_world):
    """A world on each database."""
    return each_world


@pytest.fixture
def settings(tmp_path, authority):
    """Settings that let this machine be sent to, and know the authority."""
    return Settings(
        data_dir=tmp_path,
        database_url="sqlite:///unused.db",
        webhooks_allow_loopback=True,
        webhooks_ca=authority.file,
    )


@pytest.fixture
def delivering(settings):
    """Delivery in a world: visits are served at once."""

    def made(world, **options):
        async def visit(visit):
            world.turn.serve([visit])
            if isinstance(visit.outcome, CaretrailError):
                raise VisitRefusedError(visit.outcome, visit.stamp)
            return visit.outcome

        return Delivering(visit, settings, **options)

    return made


@pytest.fixture
def deliver(delivering):
    """Send what is due in a world, once, and return how many messages that was."""

    def run(world, **options):
        async def once():
            one = delivering(world, **options)
            begun = await one.look()
            await one.settled()
            await one.stop()
            return begun

        return asyncio.run(once())

    return run


@pytest.fixture
def enter():
    """Enter an endpoint and return it as the answer shows it, with its secret."""

    def entered(world, url, *events, org=None):
        work = CreateEndpoint(url, list(events or ["*"]))
        return world.answer(work, "POST /v1/webhooks", System("cli", org or world.org)).payload

    return entered
