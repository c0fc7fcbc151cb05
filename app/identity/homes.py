"""The homes of a provider."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, insert, select

from app.access.opened import FieldChange, Opened
from app.access.work import Answer, Work
from app.core.clock import spell
from app.core.errors import AlteredRow, NotFoundError
from app.core.identifiers import new_id
from app.identity.table import home
from app.vault.bound_columns import BoundColumns
from app.vault.sealing import DataKey, StateKey, refuse_altered

_SHOWN = ("id", "name", "ods_code", "cqc_location_id")
_BOUND = BoundColumns("home", home, [column.name for column in home.columns][:-1])
_HOMES = select(home).where(home.c.org == bindparam("of")).order_by(home.c.name)


def require_home(opened: Opened, home_id: str) -> None:
    """Answer as for everything hidden when the organisation has no such home."""
    there = select(home.c.id).where(home.c.org == opened.org, home.c.id == home_id)
    if opened.execute(there).first() is None:
        raise NotFoundError(why="home-not-found")


@dataclass
class ListHomes(Work):
    """List the homes the caller acts at; whoever acts everywhere sees all."""

    def perform(self, opened: Opened) -> Answer:
        """Return the homes by name.

        Raises:
            SealBrokenError: One of them was changed behind the service's back.
        """
        found = opened.execute(_HOMES, {"of": opened.org}).all()
        rows = [row for row in found if self._reached(opened, row.id)]
        key = opened.organisation_key()
        for row in rows:
            refuse_altered(row.state, home_state(key, row[:-1]), AlteredRow("home", row.id))
        items = [{name: row._mapping[name] for name in _SHOWN} for row in rows]
        opened.note.count = len(items)
        return Answer({"items": items, "next_cursor": None})

    def _reached(self, opened: Opened, home_id: str) -> bool:
        return any(g.home_id in (None, home_id) for g in opened.agent.grants)


@dataclass
class OpenHome(Work):
    """Enter a new home of the organisation."""

    name: str
    ods_code: str | None
    cqc_location_id: str | None
    changes = True

    def asked(self) -> tuple[str, str | None]:
        """Return a home that has no id yet."""
        return "home", None

    def perform(self, opened: Opened) -> Answer:
        """Write the home."""
        shown = open_home(opened, self.name, self.ods_code, self.cqc_location_id)
        return Answer(shown)

    def look_again(self, _opened: Opened, told: dict[str, Any]) -> dict[str, Any]:
        """Return it: whoever enters homes sees all of them, and none ever goes away."""
        return told


def open_home(opened: Opened, name: str, ods_code: str | None, cqc_location_id: str | None) -> dict[str, Any]:
    """Have a home written and return it as it is shown."""
    key = opened.organisation_key()
    plain = {"id": new_id(), "name": name, "ods_code": ods_code, "cqc_location_id": cqc_location_id}
    row = {"org": opened.org, **plain, "created_at": spell(opened.at), "version": 1}
    state = home_state(key, row.values())
    opened.change(insert(home), row | {"state": state})
    changes = [FieldChange(f, None, plain[f]) for f in _SHOWN[1:] if plain[f] is not None]
    opened.changed("home", str(plain["id"]), 1, state, changes, (opened.org, key))
    opened.note.homes = (str(plain["id"]),)
    return plain


def home_state(key: DataKey | StateKey, columns: Iterable[object]) -> bytes:
    """Return the keyed digest of a home's row: all columns, in their order, but the digest itself."""
    return _BOUND.digest(key, list(columns))
