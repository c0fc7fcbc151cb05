"""A session that somebody in the database makes another person's lets nobody be that person."""

from sqlalchemy import text

from app.storage.engine import open_engine
from tests.support.served import Served


def test_a_token_is_of_no_use_for_a_session_that_became_somebody_elses(served: Served) -> None:
    """The token names who signed in: 401, and nothing of the other person is shown."""
    world = served.world
    kitchen, manager = world.person("kitchen"), world.person("registered_manager", None)
    assert 200 == served.ask("GET", "/v1/users/me", kitchen).status_code
    assert kitchen.session is not None
    owner = open_engine(world.owner or world.url, patient=True)
    with owner.begin() as connection:
        swap = text("UPDATE session SET user_id = :user WHERE id = :id")
        connection.execute(swap, {"user": manager.id, "id": kitchen.session.id})
    owner.dispose()
    answer = served.ask("GET", "/v1/users/me", kitchen)
    assert (401, "/problems/token-invalid") == (answer.status_code, answer.json()["type"])
    assert manager.id not in answer.text
