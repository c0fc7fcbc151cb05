"""`caretrail doctor` on PostgreSQL says when every log-in of the server may connect."""

from pathlib import Path

import pytest
from sqlalchemy import text

from app.storage.schema import SERVICE_ROLE
from tests.unit.commands.places import Place, found_place, looking


def schema(place: Place) -> tuple[str, bool]:
    """Return what the doctor says of the schema, and whether it is about connecting."""
    checks = place.line.run("doctor", "--json").json["checks"]
    (told,) = (one for one in checks if one["name"] == "schema")
    return told["result"], "every log-in of the server may connect" in told["told"]


def test_a_database_that_everybody_may_connect_to_is_told(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """With the two statements of the guide the service connects, and nobody else of note does."""
    place = found_place(request, tmp_path, "postgresql")
    assert ("warning", True) == schema(place)
    with looking(place.line) as connection:
        name = connection.execute(text("SELECT current_database()")).scalar_one()
        connection.execute(text(f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC'))
        connection.execute(text(f'GRANT CONNECT ON DATABASE "{name}" TO {SERVICE_ROLE}'))
        connection.commit()

    assert ("ok", False) == schema(place)
