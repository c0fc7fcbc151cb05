"""Copies of a deployment with a past, to tamper with: one for each row of the tamper matrix.

A `Scene` is a copy of it all - database, keys, guard, exports - which a tampering changes as somebody could
who has the file, or a superuser's password; then the real commands are run as processes of their own and
say what they find.
"""

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, create_engine, text

from app.audit import verify
from tests.conformance.tamper_past import Files, Original, Place
from tests.support import tampering
from tests.support.commands import COMMANDS, Told
from tests.support.sample_export import Sample, packed

ROOT = Path(__file__).parents[2]
VERIFIER = Path(verify.__file__)
THIEF = Ed25519PrivateKey.from_private_bytes(b"t" * 32)


@dataclass
class Forger(Sample):
    """Makes exports and notes of this deployment, as whoever holds its signing key can."""

    deployment: str = ""

    @property
    def origin(self) -> str:
        """The name of the chain and its key."""
        return f"{self.deployment}/audit/{self.org}"


class Scene:
    """One copy. Exports are changed in `files`; the database is copied when it is first touched.

    Attributes:
        files: The files of the export that is to be checked.
        key: The verifier key that the auditor has.
        anchors: Checkpoints the auditor kept, oldest first.
        ids: Of what was made, by name.
    """

    def __init__(self, original: Original, folder: Path) -> None:
        self.original, self.folder = original, folder
        self.kind = original.place.database.kind
        self.org, self.other_org, self.ids = original.org, original.other_org, original.ids
        self.exports = {name: dict(files) for name, files in original.files.items()}
        self.files = self.exports["whole"]
        self.anchors = [original.anchor]
        seed = bytes.fromhex((original.data_dir(original.place) / "keys" / "signing.key").read_text())
        self.signing_key = Ed25519PrivateKey.from_private_bytes(seed)
        self.key = self.forger().vkey
        self.told: Told | None = None

    # --- the lines ----------------------------------------------------------------------------

    @property
    def lines(self) -> list[bytes]:
        """The lines of the export."""
        return self.files["events.jsonl"].splitlines()

    @cached_property
    def sizes(self) -> list[int]:
        """The sizes signed in the export, smallest first."""
        notes = verify.split_notes(self.original.files["whole"]["checkpoints.note"])
        return sorted(int(note.split(b"\n")[1]) for note in notes)

    @cached_property
    def kept(self) -> int:
        """The size of the checkpoint kept elsewhere."""
        return int(self.original.anchor.split(b"\n")[1])

    def line_of(self, act: str, nth: int = 0) -> int:
        """Return the number of the nth line of an act."""
        return [n for n, line in enumerate(self.lines) if json.loads(line)["e"]["act"] == act][nth]

    def org_of(self, files: Files) -> str:
        """Return whose export this is."""
        return str(json.loads(files["manifest.json"])["organisation"])

    def newest_note(self) -> bytes:
        """Return the newest checkpoint of the honest export."""
        return verify.split_notes(self.original.files["whole"]["checkpoints.note"])[-1]

    def forger(self, key: Ed25519PrivateKey | None = None, org: str | None = None) -> Forger:
        """Return who makes exports with a key, that of the deployment by default."""
        return Forger(org or self.org, key or self.signing_key, deployment=self.original.deployment)

    # --- the database -------------------------------------------------------------------------

    @cached_property
    def place(self) -> Place:
        """The copy of database, keys and guard."""
        return self.original.place.copied(self.folder / "copy")

    @property
    def data_dir(self) -> Path:
        """Where keys and guard are."""
        return self.original.data_dir(self.place)

    def restore_backup(self, *, guard: bool) -> None:
        """Put the database back to what it was at the backup; the guard, too, or only the database."""
        present, backup = self.place, self.original.backup
        assert backup is not None
        old = backup.copied(self.folder / "old")
        if not guard:
            kept = self.original.data_dir(old) / "guard"
            shutil.copytree(self.data_dir / "guard", kept, dirs_exist_ok=True)
        self.place = old
        present.drop()

    def looking(self, look: Any, url: str | None = None) -> Any:
        """Run `look(connection)` past the door, as a superuser."""
        engine = create_engine(url or self.place.superuser)
        try:
            with engine.begin() as connection:
                return look(connection)
        finally:
            engine.dispose()

    def rows(self, query: str, **named: Any) -> list[Any]:
        """Return what a query finds."""
        return list(self.looking(lambda connection: connection.execute(text(query), named).all()))

    def tamper(self, statement: str, *, each: Sequence[dict[str, Any]] = ({},), **named: Any) -> None:
        """Change the database past the door, for each of some rows; `:name` may be one of the ids."""
        known = self.ids | {"org": self.org, "other_org": self.other_org} | named

        def look(connection: Connection) -> None:
            with tampering.unprotected(connection):
                for row in each:
                    bound = {name: value for name, value in (known | row).items() if f":{name}" in statement}
                    connection.execute(text(statement), bound)

        self.looking(look)

    # --- the checks ---------------------------------------------------------------------------

    def packed(self) -> io.BytesIO:
        """Return the zip of the export, in memory."""
        return io.BytesIO(packed(self.files))

    def verifier(self, *, anchored: bool = False) -> Told:
        """Run verify.py on the export, alone, as an auditor does."""
        path, anchors = self.folder / "export.zip", self.folder / "anchors"
        path.write_bytes(packed(self.files))
        anchors.mkdir(exist_ok=True)
        for number, note in enumerate(self.anchors):
            (anchors / f"{number}.note").write_bytes(note)
            os.utime(anchors / f"{number}.note", (0, 0))  # kept for long
        more = ["--anchors", str(anchors)] if anchored else []
        command = [sys.executable, "-I", "-W", "error", str(VERIFIER), str(path), "--key", self.key, *more]
        run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return Told(run.returncode, run.stdout + run.stderr)

    def command(self, *arguments: str) -> Told:
        """Run a command of the service on the copy."""
        settings = {
            "CARETRAIL_DATA_DIR": str(self.data_dir),
            "CARETRAIL_DATABASE_URL": self.place.database.service,
            "CARETRAIL_DEPLOYMENT": self.original.deployment,
        }
        return COMMANDS.run(settings, *arguments)

    def close(self) -> None:
        """Let the copy go."""
        if "place" in vars(self):
            self.place.drop()


@contextmanager
def scene_of(original: Original, folder: Path) -> Iterator[Scene]:
    """Return a scene, and let it go."""
    scene = Scene(original, folder)
    try:
        yield scene
    finally:
        scene.close()
