"""`keys rotate root`: everything is wrapped under another root key, beside a service or without one."""

import contextlib
import shutil
import time
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import text

from app.vault import root_files
from app.vault.root_files import NEXT_ROOT
from tests.unit.commands.conftest import Line, free_port
from tests.unit.commands.places import Place, looking

BROKEN_AT = ["prepared", "wrapped", "kept", "switched"]


class BrokenOffError(Exception):
    """The process dies here."""


def boxes(place: Place) -> list[bytes]:
    with looking(place.line) as connection:
        found = connection.execute(text("SELECT wrapped FROM organisation_key")).scalars()
        return [bytes(one) for one in found]


def root(place: Place) -> str:
    told = place.line.run("keys", "status", "--json")
    assert 0 == told.code, told.err
    return told.json["root_key_id"]


def test_a_new_root_key_wraps_everything_and_the_old_one_opens_nothing(place):
    """Each organisation's key is wrapped anew; rows still agree; the old key is refused."""
    before, wrapped = root(place), boxes(place)
    keys = place.line.data_dir / "keys"
    old = (keys / "root.key").read_text()
    told = place.line.run("keys", "rotate", "root", "--json")
    assert 0 == told.code, told.err
    assert told.json["keys_wrapped"] == len(wrapped) == 2
    assert root(place) == told.json["root_key_id"] != before
    assert not set(boxes(place)) & set(wrapped)
    assert Path(told.json["retired"]).read_text() == old
    assert Path(told.json["retired"]).stat().st_mode & 0o077 == 0
    assert 0 == place.line.run("audit", "verify", "--state").code
    (keys / "root.key").write_text(old)
    refused = place.line.run("keys", "status")
    assert (refused.code, "root key" in refused.err) == (2, True), refused.err


@pytest.mark.parametrize("where", BROKEN_AT)
def test_a_rotation_that_was_broken_off_is_run_again(place, monkeypatch, where):
    """Wherever it dies, the service starts as before, and the next run completes it with the same key."""
    before = root(place)

    def die(*_: object, **__: object) -> None:
        raise BrokenOffError

    with monkeypatch.context() as broken:
        if where == "prepared":
            broken.setattr("app.commands.keeping.WrapAnew", die)
        if where == "wrapped":
            broken.setattr(root_files.RootFiles, "switch", die)
        if where == "kept":
            broken.setattr(Path, "replace", die)
        if where == "switched":
            broken.setattr("app.commands.keeping.sign_what_moved", die)
        with pytest.raises(BrokenOffError):
            place.line.run("keys", "rotate", "root")
    to_come = place.line.data_dir / "keys" / NEXT_ROOT
    assert to_come.exists() == (where != "switched")
    assert 0 == place.line.run("organisation", "add", "--organisation", "B", "--admin", "b.sample").code
    assert 0 == place.line.run("audit", "verify", "--state").code
    told = place.line.run("keys", "rotate", "root", "--json")
    assert 0 == told.code, told.err
    assert root(place) == told.json["root_key_id"] != before
    assert not to_come.exists()
    assert 0 == place.line.run("audit", "verify", "--state").code


def test_a_node_without_the_new_key_stops_and_one_with_it_goes_on(place, tmp_path):
    """After a rotation a server on the same keys serves on, one on a copy of the old refuses all."""
    keys, old = place.line.data_dir / "keys", tmp_path / "old-keys"
    shutil.copytree(keys, old)
    nodes = {name: Node(place, folder) for name, folder in (("same", keys), ("other", old))}
    try:
        assert {name: node.sign_in() for name, node in nodes.items()} == {"same": 401, "other": 401}
        assert 0 == place.line.run("keys", "rotate", "root").code
        time.sleep(2)
        assert {name: node.sign_in() for name, node in nodes.items()} == {"same": 401, "other": 503}
        assert nodes["other"].ready() == 503
        assert nodes["same"].ready() == 200
    finally:
        for node in nodes.values():
            node.close()


class Node:
    """A serving process with keys of its own folder."""

    def __init__(self, place: Place, keys: Path) -> None:
        variables = place.line.variables | {
            "CARETRAIL_KEYS_DIR": str(keys),
            "CARETRAIL_GUARD_DIR": str(keys.parent / f"guard-of-{keys.name}"),
            "CARETRAIL_PORT": str(free_port()),
        }
        shutil.copytree(place.line.data_dir / "guard", variables["CARETRAIL_GUARD_DIR"])
        self._process = Line(place.line.data_dir, variables).start("serve")
        self._client = httpx2.Client(base_url=f"http://127.0.0.1:{variables['CARETRAIL_PORT']}", timeout=20)
        for _ in range(600):
            with contextlib.suppress(httpx2.TransportError):
                if self.ready() == 200:
                    return
            time.sleep(0.05)
        raise AssertionError(self._process.communicate(timeout=5))

    def sign_in(self) -> int:
        body = {"username": "nobody.sample", "password": "wrong", "device": {"kind": "desktop"}}
        return self._client.post("/v1/sessions", json=body).status_code

    def ready(self) -> int:
        return self._client.get("/health/ready").status_code

    def close(self) -> None:
        self._client.close()
        self._process.terminate()
        self._process.communicate(timeout=30)
