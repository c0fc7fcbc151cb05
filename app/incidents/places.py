"""Where an incident is, by name: whoever reads a pack elsewhere does not know our ids."""

from typing import Any, NamedTuple

from sqlalchemy import bindparam, select

from app.access.opened import Opened
from app.identity.table import home, organisation

_ORGANISATION = select(organisation.c.name).where(organisation.c.id == bindparam("of"))
_HOME = select(home.c.name).where(home.c.org == bindparam("of"), home.c.id == bindparam("which"))


class Whose(NamedTuple):
    """An organisation and perhaps one of its homes, each as `{"id", "name"}`."""

    organisation: dict[str, Any]
    home: dict[str, Any] | None


def whose(opened: Opened, home_id: str | None) -> Whose:
    """Return the caller's organisation and a home of it, as they are called today."""
    of = {"id": opened.org, "name": opened.execute(_ORGANISATION, {"of": opened.org}).scalar()}
    if home_id is None:
        return Whose(of, None)
    name = opened.execute(_HOME, {"of": opened.org, "which": home_id}).scalar()
    return Whose(of, {"id": home_id, "name": name})
