"""An Argon2 is spent for nobody who may not have it: it would keep others from signing in."""

import pytest

from app.identity.passwords import PasswordPool
from tests.support.served import Served

USERS = "/v1/users"


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is hashed from now on."""
    seen: list[str] = []
    real = PasswordPool.hash

    async def counting(self: PasswordPool, password: str) -> str:
        seen.append(password)
        return await real(self, password)

    monkeypatch.setattr(PasswordPool, "hash", counting)
    return seen


def body(name: str) -> dict[str, object]:
    return {"username": name, "display_name": "Some Body", "kind": "staff", "assignments": []}


def test_whoever_may_not_create_users_has_nothing_hashed(served: Served, hashed: list[str]) -> None:
    """Neither a stranger nor somebody without the permission; the refusal is one entry as before."""
    kitchen = served.world.person("kitchen")

    refused = served.ask("POST", USERS, kitchen, json=body("never.made"))
    unknown = served.ask("POST", USERS, "nothing", json=body("never.made"))

    assert [403, 401] == [refused.status_code, unknown.status_code]
    (line,) = served.lines_of(refused)
    assert ("user.create", "deny", "no-permission") == (line.e["act"], line.e["out"], line.e["why"])
    assert [] == hashed


def test_creating_a_user_is_one_entry_and_one_hash(served: Served, hashed: list[str]) -> None:
    """Whether it is permitted is asked beforehand, which leaves no entry; repeated, it answers once more."""
    manager = served.world.person("registered_manager", None)
    key = {"Idempotency-Key": "9a0c2f0e-7c1a-4a53-9f0e-0c1d8c3b7a55"}

    made = served.ask("POST", USERS, manager, json=body("made.once"), headers=key)
    again = served.ask("POST", USERS, manager, json=body("made.once"), headers=key)

    assert [201, 201] == [made.status_code, again.status_code]
    assert made.json()["initial_password"] == hashed[0]
    assert again.json() == made.json() | {"initial_password": None}
    acts = [[line.e["act"] for line in served.lines_of(one)] for one in (made, again)]
    assert [["user.create"], ["user.create"]] == acts
