"""There are so many endpoints at most, however many processes enter one at the same moment."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event

from app.access.visit import System, Visited
from app.core.errors import ConflictError
from app.webhooks import managing
from app.webhooks.managing import CreateEndpoint
from app.webhooks.table import webhook

ENTER = "POST /v1/webhooks"
AT_MOST_S = 60


def creating(name):
    return CreateEndpoint(f"https://{name}.example.org/", ["*"])


@pytest.mark.parametrize("each_world", ["postgresql"], indirect=True)
def test_of_two_who_enter_the_last_endpoint_one_is_refused(each_world, monkeypatch):
    """Whoever comes while another process enters one counts it, too: the limit holds."""
    monkeypatch.setattr(managing, "MOST_ENDPOINTS", 1)
    world, other = each_world, each_world.beside()
    written, go_on = threading.Event(), threading.Event()

    def after_the_write(_connection, _cursor, statement, *_):
        if statement.startswith("INSERT INTO webhook"):
            written.set()
            assert go_on.wait(AT_MOST_S)

    event.listen(other.engine, "after_cursor_execute", after_the_write)
    cli = System("cli", world.org)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(other.do, creating("first"), ENTER, cli)
        assert written.wait(AT_MOST_S)
        second = pool.submit(world.do, creating("second"), ENTER, cli)
        threading.Event().wait(0.5)
        early = second.done()
        go_on.set()
        outcomes = first.result(AT_MOST_S), second.result(AT_MOST_S)

    assert isinstance(outcomes[0], Visited)
    assert isinstance(outcomes[1], ConflictError)
    assert ("too-many", False) == (outcomes[1].why, early)
    assert 1 == len(world.rows(webhook))
