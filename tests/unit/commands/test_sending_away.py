"""Copies of backups in an S3-compatible storage: sent whole, never deleted, fetched and checked.

The storage is moto's, over HTTP on loopback, in front of which a layer refuses, breaks or changes things.
"""

import json
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
from moto.server import DomainDispatcherApplication, create_backend_app
from sqlalchemy import text
from werkzeug.serving import make_server

from tests.unit.commands.places import Place, looking

SECRET = "kanarie-secret-of-the-storage"


class Storage:
    """A storage that answers, and what is wrong with it.

    Attributes:
        refuse: The status it answers everything with; 0: it works.
        code: What it calls that.
        only: The method it refuses; empty: all.
        page: What it answers everything with, and 200, in place of its own answer.
        short: How many bytes of what is fetched never come.
        asked: The methods it was asked with.
        bucket: A bucket of its own.
    """

    def __init__(self) -> None:
        self.refuse, self.code, self.only, self.page, self.short = 0, "AccessDenied", "", b"", 0
        self.asked: list[str] = []
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self.url = f"http://127.0.0.1:{self._server.port}"
        self.bucket = f"backups-{uuid4()}"

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Answer as moto does, unless it is to refuse."""
        self.asked.append(environ["REQUEST_METHOD"])
        if self.page:
            start("200 OK", [("Content-Type", "text/html")])
            return [self.page]
        if self.refuse and self.only in ("", environ["REQUEST_METHOD"]):
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start(f"{self.refuse} No", [("Content-Type", "application/xml")])
            return [f"<Error><Code>{self.code}</Code></Error>".encode()]
        answered: Iterable[bytes] = self._moto(environ, start)
        if self.short and "list-type" not in environ["QUERY_STRING"] and environ["REQUEST_METHOD"] == "GET":
            return [b"".join(answered)[: -self.short]]
        return answered

    def client(self) -> Any:
        """Return somebody else's way to it."""
        options = {"aws_access_key_id": "other", "aws_secret_access_key": "other"}
        return boto3.client("s3", endpoint_url=self.url, region_name="eu-west-2", **options)

    def __enter__(self) -> "Storage":
        self._thread.start()
        where = {"LocationConstraint": "eu-west-2"}
        self.client().create_bucket(Bucket=self.bucket, CreateBucketConfiguration=where)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def storage(place: Place) -> Iterator[Storage]:
    with Storage() as storage:
        place.line.variables |= {
            "CARETRAIL_OFFSITE_BUCKET": f"s3://{storage.bucket}/alder",
            "CARETRAIL_OFFSITE_ENDPOINT": storage.url,
            "CARETRAIL_OFFSITE_KEY_ID": "writer",
            "CARETRAIL_OFFSITE_SECRET": SECRET,
        }
        yield storage


def made(place: Place) -> Path:
    """Make a backup."""
    told = place.line.run("backup", "create", "--json")
    assert 0 == told.code, told.err
    return Path(told.json["path"])


def runs(place: Place) -> list[tuple[str, str]]:
    with looking(place.line) as connection:
        query = "SELECT job, outcome FROM job_run WHERE job = 'backup-offsite' ORDER BY started_at"
        return [tuple(row) for row in connection.execute(text(query))]


def test_what_is_missing_is_sent_once_and_comes_back_whole(place, storage):
    """Two backups are sent, a second run sends nothing, a lost shelf is filled from there."""
    first, second = made(place), made(place)
    told = place.line.run("backup", "offsite", "--json")
    assert 0 == told.code, told.err
    assert sorted((first.name, second.name)) == told.json["sent"]
    assert [] == place.line.run("backup", "offsite", "--json").json["sent"]
    assert [("backup-offsite", "ok")] * 2 == runs(place)
    data = second.read_bytes()
    first.unlink()
    second.unlink()

    fetched = place.line.run("backup", "fetch", second.name, "--json")

    assert 0 == fetched.code, fetched.err
    assert data == Path(fetched.json["path"]).read_bytes()
    assert 0 == place.line.run("backup", "verify", second).code
    assert "DELETE" not in storage.asked


def test_a_storage_that_refuses_fails_the_run_and_says_nothing_secret(place, storage):
    """Refused or broken: the run is recorded as failed, the secret is told nowhere, the backup stays."""
    backup = made(place)
    for refuse, why in ((403, "offsite-refused"), (503, "offsite-refused")):
        storage.refuse = refuse
        told = place.line.run("backup", "offsite")
        assert (1, False) == (told.code, SECRET in told.err + told.out), told.err
        with looking(place.line) as connection:
            query = "SELECT result FROM job_run WHERE job = 'backup-offsite' ORDER BY started_at DESC LIMIT 1"
            assert why == json.loads(connection.execute(text(query)).scalar_one())["why"]
    storage.refuse = 0
    assert [backup.name] == place.line.run("backup", "offsite", "--json").json["sent"]
    assert ["fail", "fail", "ok"] == [outcome for _, outcome in runs(place)]


@pytest.mark.parametrize(("status", "code"), [(507, "InsufficientStorage"), (403, "QuotaExceeded")])
def test_a_full_storage_is_told_as_such(place, storage, status, code):
    """What the storage answered is told, not that it was not reached; the run says why."""
    made(place)
    storage.refuse, storage.code, storage.only = status, code, "PUT"

    told = place.line.run("backup", "offsite")

    assert (1, True) == (told.code, f"The storage answered {code}" in told.err), told.err
    assert "offsite-refused" in told.err


def test_a_copy_that_does_not_come_whole_is_told_as_such(place, storage, monkeypatch):
    """A fetch that breaks off again and again is no storage that was not reached; nothing is left here."""
    backup = made(place)
    assert 0 == place.line.run("backup", "offsite").code
    backup.unlink()
    storage.short = 100

    told = place.line.run("backup", "fetch")

    assert (1, True) == (told.code, "broke off" in told.err), told.err
    assert [] == list(backup.parent.glob("*.part"))


@pytest.mark.parametrize("page", [b"<html><body>Sign in</body></html>", b"<html><p>Sign in", b"{}", b"Hello"])
def test_what_is_no_storage_is_told_as_such(place, storage, page):
    """A page of somebody else's with status 200 is no empty storage."""
    made(place)
    storage.page = page

    for command in ("fetch", "offsite"):
        told = place.line.run("backup", command)
        assert (1, True) == (told.code, "no S3 storage" in told.err), told.err


def test_a_copy_that_was_changed_there_is_not_taken(place, storage):
    """What is not what was signed is not put onto the shelf; another length is told when sending."""
    backup = made(place)
    assert 0 == place.line.run("backup", "offsite").code
    data = bytearray(backup.read_bytes())
    data[len(data) // 2] ^= 1
    there = storage.client()
    there.put_object(Bucket=storage.bucket, Key=f"alder/{backup.name}", Body=bytes(data))
    backup.rename(backup.with_suffix(".kept"))

    told = place.line.run("backup", "fetch")

    assert 1 == told.code, told.err
    assert [] == list(backup.parent.glob("*.caretrail-backup*"))
    backup.with_suffix(".kept").rename(backup)
    there.put_object(Bucket=storage.bucket, Key=f"alder/{backup.name}", Body=b"short")
    differing = place.line.run("backup", "offsite")
    assert (1, True) == (differing.code, "another length" in differing.err), differing.err


def test_what_is_damaged_here_is_not_sent(place, storage):
    """A backup whose signature does not hold stays where it is."""
    backup = made(place)
    data = backup.read_bytes()
    backup.write_bytes(b"x" + data[1:])

    told = place.line.run("backup", "offsite", "--json")

    assert ([], 0) == (told.json["sent"], told.json["copies"])


def test_without_the_extra_it_says_what_to_install(place, storage, monkeypatch):
    """Where boto3 is not installed the command refuses in words."""
    monkeypatch.setitem(sys.modules, "boto3", None)

    told = place.line.run("backup", "offsite")

    assert (2, True) == (told.code, "wants the extra `s3`: install requirements-extras.lock" in told.err), (
        told.err
    )
