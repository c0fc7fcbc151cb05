"""`audit verify --state` on endpoints: what was changed behind the service's back is told."""

import pytest
from sqlalchemy import text

from app.access.visit import System
from app.audit.checkpoint import Notary
from app.audit.database_check import check_database
from app.trail.state_check import check_state
from app.trail.state_kinds import IDENTITY_KINDS
from app.vault.keyring import Keyring
from app.webhooks.managing import DeleteEndpoint, RotateSecret
from app.webhooks.state_kinds import WEBHOOK_KINDS

URL = "https://example.org/hooks"


def findings(world) -> list[str]:
    """Return what the comparison of the world's own chain finds."""
    keyring, kinds = Keyring(world._root, world.entropy), (*IDENTITY_KINDS, *WEBHOOK_KINDS)
    report = check_database(
        world.engine,
        Notary("care.example", bytes(range(32))),
        None,
        lambda snapshot, report: check_state(snapshot, report, keyring, kinds, world.now),
    )
    return [str(one) for chain in report.chains if chain.organisation == world.org for one in chain.findings]


@pytest.fixture
def endpoints(world, enter):
    """One with a new secret, one that was removed."""
    kept, removed = enter(world, URL)["id"], enter(world, URL)["id"]
    cli = System("cli", world.org)
    world.answer(RotateSecret(kept), "POST /v1/webhooks/{webhook_id}/secret", cli)
    world.answer(DeleteEndpoint(removed), "DELETE /v1/webhooks/{webhook_id}", cli)
    return {"kept": kept, "removed": removed}


def test_untouched_endpoints_are_not_accused(world, endpoints):
    """Entered, changed, removed by the service alone: nothing is found."""
    assert [] == findings(world)


@pytest.mark.parametrize(
    "tampering",
    [
        """UPDATE webhook SET events = '["incident.opened"]' WHERE id = :kept""",
        "UPDATE webhook SET status = 'off' WHERE id = :kept",
        "UPDATE webhook SET status = 'active' WHERE id = :removed",
        "UPDATE webhook SET former_secret = NULL WHERE id = :kept",
        "UPDATE webhook SET former_until = '2036-01-01T00:00:00.000000Z' WHERE id = :kept",
        "UPDATE webhook SET url = secret WHERE id = :kept",
        "UPDATE webhook SET version = 1 WHERE id = :kept",
        "DELETE FROM webhook WHERE id = :kept",
        "DELETE FROM webhook WHERE id = :removed",
    ],
)
def test_each_change_past_the_door_is_found(world, endpoints, tampering):
    """One finding, for the row that was changed or taken away, and only that."""
    named = {name: value for name, value in endpoints.items() if f":{name}" in tampering}
    world.looking(lambda connection: connection.execute(text(tampering), named))

    [found] = findings(world)
    assert next(iter(named.values())) in found
