"""A zip written piece by piece onto nothing that can seek, with the digests its manifest wants."""

import zipfile
from hashlib import sha256
from typing import IO, Any, Self


class _Sink:
    """Takes what the zip writes until it is fetched. It cannot seek, so the zip never looks back."""

    def __init__(self) -> None:
        self._waiting: list[bytes] = []

    def write(self, data: bytes, /) -> int:
        self._waiting.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is open."""

    def fetch(self) -> bytes:
        data = b"".join(self._waiting)
        self._waiting.clear()
        return data


class Parcel:
    """A zip in the making. Each step returns the bytes that are ready to be sent.

    Attributes:
        files: SHA-256 and size of each file that is complete, by its name.
    """

    def __init__(self) -> None:
        self.files: dict[str, dict[str, Any]] = {}
        self._sink = _Sink()
        # Digests hardly shrink, so the quickest level. Files carry no date: the manifest has it.
        self._zip = zipfile.ZipFile(self._sink, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
        self._name = ""
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of a zip that may have broken off; what it still writes goes nowhere."""
        if self._file is not None:
            self._file.close()
        self._zip.close()

    def begin(self, name: str) -> None:
        """Begin a file."""
        self._name, self._digest, self._bytes = name, sha256(), 0
        self._file = self._zip.open(name, "w", force_zip64=True)

    def add(self, data: bytes) -> bytes:
        """Add to the file that was begun."""
        assert self._file is not None  # noqa: S101 - `begin` comes first
        self._file.write(data)
        self._digest.update(data)
        self._bytes += len(data)
        return self._sink.fetch()

    def end(self) -> bytes:
        """End the file that was begun."""
        assert self._file is not None  # noqa: S101 - see above
        self._file.close()
        self.files[self._name] = {"sha256": self._digest.hexdigest(), "bytes": self._bytes}
        return self._sink.fetch()

    def whole(self, name: str, data: bytes) -> bytes:
        """Add a small file at once."""
        self.begin(name)
        return self.add(data) + self.end()

    def close(self) -> bytes:
        """End the zip."""
        self._zip.close()
        return self._sink.fetch()
