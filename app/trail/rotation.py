"""The signing key changes: what the trail says of it, and how a running service takes the new key up.

`key.rotate` stands in every chain before the new key signs anything: which key, which one it follows,
until when both sign. From then on notes carry both signatures, so that whoever holds either key can check
them; afterwards the public half of the old key stays with the service and in the manifest of exports.

A running service looks for other key files once a second. If it cannot read them it goes on with the
keys it has and says so: whoever holds both keys sees no difference.

Source: AUDIT-2.
"""

import logging
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from app.access.drafting import further_entry
from app.access.opened import Opened
from app.access.operation import Operation
from app.access.work import Answer, Work
from app.audit import table
from app.audit.checkpoint import Notary
from app.core.clock import Clock, spell
from app.core.errors import StartRefusedError
from app.vault.root import RootKey
from app.vault.signing_keys import SigningFiles, SigningKeys

logger = logging.getLogger(__name__)

ROTATE = Operation("*", "*", "system", "self", "key.rotate", 200)
REWRAP = Operation("*", "*", "system", "self", "key.rewrap", 200)
_CHAINS = select(table.head.c.org).order_by(table.head.c.org)


@dataclass
class RecordRotation(Work):
    """Enter into every chain that a new key will sign it; one turn, all or nothing."""

    old: Notary
    new: Notary
    until: datetime
    silent = True  # its entries are those beside it
    own_sql = True
    alone = True

    def perform(self, opened: Opened) -> Answer:
        """Prepare the entries, and return the chains."""
        chains = list(opened.execute(_CHAINS).scalars())
        for chain in chains:
            old, new = self.old.vkeys(chain)[0], self.new.vkeys(chain)[0]
            opened.note.org = chain
            opened.note.object = ("signing_key", self.new.keys(chain)[0].number.hex())
            draft = further_entry(opened, ROTATE.act)
            draft.event["key"] = {"old": old, "new": new, "until": spell(self.until)}
            opened.also.append(draft)
        return Answer(chains)


@dataclass
class WrapAnew(Work):
    """Wrap every organisation's key under another root key, with its entry; one turn, all or nothing."""

    to_come: RootKey
    old_name: str
    again: bool = False
    own_sql = True
    alone = True

    def perform(self, opened: Opened) -> Answer:
        """Return how many keys were wrapped; 0 where an earlier run did it before it was broken off."""
        opened.note.object = ("root_key", self.to_come.name)
        opened.note.members = {"key": {"old": self.old_name, "new": self.to_come.name}}
        return Answer(opened.keyring().wrap_anew(opened.connection(), self.to_come, again=self.again))


class KeysInUse:
    """Keeps a notary's keys those of the files while a service runs."""

    def __init__(self, files: SigningFiles, deployment: str, clock: Clock) -> None:
        """Load the keys.

        Raises:
            StartRefusedError: A key file is missing, damaged or readable by others.
        """
        self._files = files
        self._clock = clock
        self._traces = files.traces()
        self._keys = files.load(clock.now())
        self._failing = False
        self.notary = Notary(deployment, *self._keys.seeds, retired=self._keys.retired)
        self._retire()

    @property
    def keys(self) -> SigningKeys:
        """Return what signs now, and what signed before."""
        return self._keys

    def refresh(self) -> None:
        """Take up what the files hold now, and remove an old key whose time is over. Never raises."""
        at = self._clock.now()
        over = self._keys.until is not None and at >= self._keys.until
        traces = self._files.traces()  # before the files are read: what changes meanwhile is seen next time
        if not over and traces == self._traces:
            return
        try:
            self._keys = self._files.load(at)
        except StartRefusedError as refused:
            self._tell(str(refused))
            return
        self.notary.take_up(self._keys.seeds, self._keys.retired)
        self._traces, self._failing = traces, False
        self._retire()

    def _retire(self) -> None:
        """Remove the private half of a key that signs no more; where that cannot be, say so and go on."""
        try:
            self._files.retire(self._clock.now())
        except (StartRefusedError, OSError) as failed:
            self._tell(f"an old key stays where it is ({type(failed).__name__})")

    def _tell(self, why: str) -> None:
        if not self._failing:  # once, not every second
            logger.error("signing-keys-not-as-due", extra={"why": why})
        self._failing = True
