"""Fail-overs under load: two servers of PostgreSQL, two of the service, clients that know what they heard.

A round kills the primary, promotes the standby, has the operator's command say that one server has to do, and
goes on. Then the old primary comes back as if nothing had happened, takes writes, and nobody may go there;
it is made a standby, and commits wait for it again: the next round goes the other way.
"""

import contextlib
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from app.audit.divergence import divergences
from tests.support.check_log import Findings, check_database
from tests.support.commands import COMMANDS, Told
from tests.support.crash import Chronicle, Client, Survivor, Ward, compare
from tests.support.replication import Pair, Server, wait_until
from tests.support.served import Database
from tests.support.server_process import ServerProcess

SERVERS = 2
HEALTHY_WITHIN_S = 30
EACH_USES_S = 60
"""A client is stopped long before."""


@dataclass
class Round:
    """What came of a round.

    Attributes:
        chronicles: What each client was told.
        healthy_s: How long after the promotion every server was ready again.
        problems: Every promise that was broken.
        unknown: How many changes had an unknown outcome until they were repeated.
    """

    chronicles: list[Chronicle] = field(default_factory=list)
    healthy_s: float = 0
    problems: list[str] = field(default_factory=list)
    unknown: int = 0


class House:
    """A deployment on a pair, and servers that serve it.

    Attributes:
        pair: The two PostgreSQL servers.
        ward: The deployment.
        servers: The processes that serve it.
    """

    def __init__(self, folder: Path, servers: int = SERVERS, **settings: str) -> None:
        self.servers: list[ServerProcess] = []
        with contextlib.ExitStack() as begun:
            self.pair = begun.enter_context(Pair())
            self._database = self.pair.make_database("failover")
            urls = Database("postgresql", self._database.owner, self._database.service)
            self.ward = begun.enter_context(Ward(urls, folder))
            self.ward.world.turn.close()
            for _ in range(servers):
                self.servers.append(begun.enter_context(self.ward.serve(**settings)))
            self._begun = begun.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._begun.close()

    def command(self, *arguments: str, owner: str | None = None) -> Told:
        """Run `caretrail` as the operator, whose log-in, unless another is given, may change settings."""
        settings = self.ward.world.settings
        environment = {
            "CARETRAIL_DATA_DIR": str(settings.data_dir),
            "CARETRAIL_DATABASE_URL": self._database.service,
            "CARETRAIL_OWNER_DATABASE_URL": owner or self._database.superuser,
            "CARETRAIL_DEPLOYMENT": settings.deployment,
        }
        return COMMANDS.run(environment, *arguments)

    def findings(self, server: Server | None = None) -> Findings:
        """Return what an independent check of one PostgreSQL finds, by default of the primary."""
        return check_database(self.pair.at(server or self.pair.primary, self._database.superuser))

    def ready(self) -> bool:
        """Say whether every server would serve."""
        return all(server.ready() for server in self.servers)

    def lines_on(self, server: Server) -> int:
        """Return how many lines of the trail a PostgreSQL has."""
        return int(server.ask("SELECT sum(size) FROM audit_head", self.database)[0][0])

    @property
    def database(self) -> str:
        """Return the name of the database."""
        return self._database.superuser.split("/")[-1].split("?")[0]

    # --- a round ----------------------------------------------------------------------------------

    def clients(self, run: str) -> list[Client]:
        """Start a client for each server."""
        return [
            Client.start(self.ward, server, f"{run}s{n}", EACH_USES_S)
            for n, server in enumerate(self.servers)
        ]

    def fail_over(self, run: str, chance: random.Random) -> Round:
        """Lose the primary under load and go on without it; the old one then comes back on its own."""
        told, clients = Round(), self.clients(run)
        try:
            for client in clients:
                client.wait_for_answers(25)
            time.sleep(chance.random() * 0.7)
            self.pair.fail_over()
            promoted = time.monotonic()
            degraded = self.command("replication", "degrade", "--reason", f"primary lost in round {run}")
            assert degraded.code == 0, degraded.text
            wait_until(self.ready, HEALTHY_WITHIN_S)
            told.healthy_s = time.monotonic() - promoted
            told.problems += self._old_primary_comes_back()
        finally:
            for client in clients:
                client.stop()
        wait_until(self.ready)  # nobody meets the connections that were just ended
        told.chronicles = [Chronicle.read(client.history) for client in clients]
        told.unknown = sum(one.unknown for them in told.chronicles for one in them.asked.values())
        told.problems += self.held_against(told.chronicles)
        return told

    def _old_primary_comes_back(self) -> list[str]:
        """Start the old primary as it is, send everybody away from the new one, and see where they go."""
        old, new = self.pair.standby, self.pair.primary
        old.wait_until_gone()
        old.start()
        before = self.lines_on(old)
        service = f"usename = '{self.database}_service'"
        new.ask(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {service}")
        was = self.lines_on(new)
        wait_until(lambda: self.lines_on(new) > was + 10, HEALTHY_WITHIN_S)
        return [] if before == self.lines_on(old) else ["lines were written on the old primary"]

    def held_against(self, chronicles: list[Chronicle]) -> list[str]:
        """Return every promise that was broken, now and after clients repeated what they are not sure of."""
        problems = []
        for chronicle in chronicles:
            problems += compare(chronicle, self.findings())
            survivor = Survivor(self.ward, self.servers[0])
            problems += survivor.settle(chronicle) + survivor.effects(chronicle)
            survivor.close()
        return problems + self.findings().problems + self.guards_disagree()

    def guards_disagree(self) -> list[str]:
        """Return what the guard files and the primary tell differently."""
        service = self.ward.world.assembled()
        with service.engine.connect() as connection:
            connection.info["caretrail.pass"] = "test"
            found = divergences(connection, service.guards)
        service.engine.dispose()
        return [one.told for one in found]

    def rejoin(self) -> None:
        """Make a standby of the old primary, and let commits wait for it again."""
        self.pair.rejoin()
        restored = self.command("replication", "restore")
        assert restored.code == 0, restored.text
        self.pair.wait_for_standby()
