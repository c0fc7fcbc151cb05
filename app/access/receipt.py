"""The receipt: what the door hands out with a permission, and takes back when the turn is over.

Without one no statement runs (`storage.guard`) and no key is handed out (`vault.keyring`). It covers
the owners the decision was about, and people whose account row the work reached; a list extends it resident
by resident as each is allowed.

Python can always forge an object. The import contracts and review make that visible, not impossible.
"""


class Receipt:
    """Proof that an attempt was permitted, valid while its turn lasts."""

    __slots__ = ("_live", "_owners")

    def __init__(self) -> None:
        self._owners: set[tuple[str, str]] = set()
        self._live = True

    def extend(self, org: str, owner: str) -> None:
        """Cover one more owner: a resident that was allowed, a person whose account is at hand."""
        self._owners.add((org, owner))

    def covers(self, org: str, owner: str) -> bool:
        """Say whether values of this owner may be unsealed now."""
        return self._live and (org, owner) in self._owners

    def close(self) -> None:
        """End it: the turn is over."""
        self._live = False
