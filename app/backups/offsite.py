"""Copies of backups in an S3-compatible storage, an optional extra. The only module that imports boto3.

What is on the shelf and good, and not there yet, is sent, and after it the ledgers of what ended, each state
of them under a name of its own; nothing there is ever replaced or deleted. So the key that this machine holds
needs no right to delete, and who breaks into this machine cannot take the copies along. How long they stay is
the storage's own rule (object lock, life cycle).

Not proven here: that the storage still has tomorrow what it says today. `fetch` reads a copy back whole.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from app.audit.ended_file import FOLDER
from app.backups.creating import ENDING
from app.backups.ledgers import ENDING as LEDGERS
from app.backups.ledgers import Packed
from app.backups.shelf import Kept
from app.core.errors import CaretrailError, StartRefusedError
from app.core.extras import refuse_without
from app.core.settings import Settings

EXTRA = "s3"
_NO_STORAGE = "no S3 storage: look at CARETRAIL_OFFSITE_ENDPOINT, and at what lies between here and there."
CONNECT_S, READ_S, TRIES = 10, 60, 3


class OffsiteError(CaretrailError):
    """The storage did not do what it was asked."""

    title = "The copy elsewhere failed"
    detail = "The backup on this machine is not touched by that."


class Copy(NamedTuple):
    """A copy in the storage."""

    name: str
    bytes: int


class Offsite:
    """A bucket, below a prefix."""

    def __init__(self, settings: Settings) -> None:
        """Take where it is and with which key it is used. Connects to nothing.

        Raises:
            StartRefusedError: No bucket is named, or the extra is not installed.
        """
        if settings.offsite_bucket is None:
            raise StartRefusedError("no storage is named: set CARETRAIL_OFFSITE_BUCKET")
        refuse_without_extra()
        self.bucket, _, prefix = settings.offsite_bucket.removeprefix("s3://").partition("/")
        self._prefix = f"{prefix.rstrip('/')}/" if prefix else ""
        self._client = _client(settings)

    def copies(self) -> list[Copy]:
        """Return what is there, oldest name first.

        Raises:
            OffsiteError: The storage does not answer, or refuses.
        """
        found = [Copy(name, int(one["Size"])) for name, one in self._objects("")]
        return sorted(one for one in found if one.name.endswith(ENDING) and "/" not in one.name)

    def ledgers(self) -> list[str]:
        """Return the names of the ledgers that are there, what came last first, by the storage's own clock.

        Raises:
            OffsiteError: The storage does not answer, or refuses.
        """
        found = [(one["LastModified"], name) for name, one in self._objects(f"{FOLDER}/")]
        return [name for _, name in sorted(found, reverse=True) if name.endswith(LEDGERS)]

    def _objects(self, below: str) -> list[tuple[str, dict[str, Any]]]:
        """Return what the storage lists below a folder, each with its name."""
        with _told():
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self._prefix + below
            )
            found = [one for page in map(_listing, pages) for one in page.get("Contents", ())]
        return [(str(one["Key"]).removeprefix(self._prefix), one) for one in found]

    def send_missing(self, shelf: Sequence[Kept]) -> list[str]:
        """Send the good backups that are not there in full, and return their names.

        Broken off, nothing half is there: the storage shows a file when all of it has come.

        Raises:
            OffsiteError: One could not be sent, or is there with another length.
        """
        there = {one.name: one.bytes for one in self.copies()}
        sent = []
        for one in sorted((one for one in shelf if one.fault is None), key=lambda one: one.path.name):
            if one.path.name not in there:
                self._send(one.path)
                sent.append(one.path.name)
            elif there[one.path.name] != one.bytes:
                raise OffsiteError(f"{one.path.name} is there with another length.", why="offsite-differs")
        return sent

    def _send(self, path: Path) -> None:
        key = self._prefix + path.name
        with _told():
            self._client.upload_file(str(path), self.bucket, key)
            there = self._client.head_object(Bucket=self.bucket, Key=key)
        if there["ContentLength"] != path.stat().st_size:
            raise OffsiteError(f"{path.name} did not arrive whole.", why="offsite-differs")

    def send_ledgers(self, packed: Packed, at: datetime) -> str:
        """Send a state of the ledgers of what ended unless it is what came last; return its name.

        Args:
            packed: The state.
            at: The present instant, which its name begins with.

        Raises:
            OffsiteError: It could not be sent.
        """
        last = self.ledgers()[:1]
        if last and last[0].endswith(packed.ending):
            return last[0]
        name = f"{FOLDER}/{at:%Y%m%dT%H%M%S.%fZ}{packed.ending}"
        with _told():
            self._client.put_object(Bucket=self.bucket, Key=self._prefix + name, Body=packed.data)
        return name

    def fetch(self, name: str, to: Path) -> None:
        """Write a copy to a file that is not there yet.

        Raises:
            OffsiteError: It is not there, or the storage does not hand it over.
        """
        with _told():
            self._client.download_file(self.bucket, self._prefix + name, str(to))


def refuse_without_extra() -> None:
    """Return if boto3 is installed.

    Raises:
        StartRefusedError: It is not.
    """
    refuse_without("boto3", EXTRA, "a copy elsewhere")


def _client(settings: Settings) -> Any:
    import boto3
    from botocore.config import Config

    secret = settings.offsite_secret
    return boto3.client(
        "s3",
        endpoint_url=settings.offsite_endpoint,
        region_name=settings.offsite_region,
        aws_access_key_id=settings.offsite_key_id,
        aws_secret_access_key=secret.get_secret_value() if secret else None,
        config=Config(
            connect_timeout=CONNECT_S,
            read_timeout=READ_S,
            retries={"mode": "standard", "total_max_attempts": TRIES},
            # storages that are not AWS refuse the checksums it has sent unasked since 2025
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


@contextmanager
def _told() -> Iterator[None]:
    """Turn what boto3 raises into words of ours; its own may repeat addresses and keys."""
    from boto3.exceptions import Boto3Error, RetriesExceededError
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except RetriesExceededError:
        told = "What the storage sent broke off again and again. Try again."
        raise OffsiteError(told, why="offsite-broken-off") from None
    except (BotoCoreError, Boto3Error, ClientError) as failed:
        answered = next((_code(one) for one in _causes(failed) if isinstance(one, ClientError)), None)
        if answered is not None:
            raise OffsiteError(_answered(answered), why="offsite-refused") from None
        told = f"The storage was not reached ({type(failed).__name__})."
        raise OffsiteError(told, why="offsite-away") from None


def _causes(failed: BaseException) -> Iterator[BaseException]:
    """Return an error and what it came of: boto3 hides what was answered behind an error of its own."""
    cause: BaseException | None = failed
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _code(refused: Any) -> str:
    return str(refused.response.get("Error", {}).get("Code", ""))[:40]


def _answered(code: str) -> str:
    if code == "500":  # S3 has words for its errors; botocore makes this of what it cannot read
        return f"What answers has an error without words, or is {_NO_STORAGE}"
    return f"The storage answered {code}."


def _listing(page: dict[str, Any]) -> dict[str, Any]:
    """Return what the storage listed, if that is what it answered: a page of somebody else's is no empty one.

    Raises:
        OffsiteError: It is something else.
    """
    if not page.keys() & {"Name", "IsTruncated", "KeyCount"}:
        raise OffsiteError(f"What answers is {_NO_STORAGE}", why="offsite-refused")
    return page
