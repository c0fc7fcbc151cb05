"""Founding an organisation: its key, its chain, its roles.

An act of an operator at the command line. It takes a turn like everything else; the chain of an
organisation begins with its own `organisation.create`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import insert

from app.access.drafting import further_entry
from app.access.opened import FieldChange, Note, Opened
from app.access.operation import Operation
from app.access.work import Answer, Work
from app.audit import log as trail
from app.core.clock import spell
from app.core.identifiers import new_id
from app.identity.defaults import DEFAULT_ROLES
from app.identity.table import organisation, role
from app.vault.bound_columns import BoundColumns
from app.vault.sealing import DataKey, StateKey

_BOUND = BoundColumns("role", role, [column.name for column in role.columns][:-1])
CREATE_ORGANISATION = Operation("*", "*", "system", "self", "organisation.create", 201)


@dataclass
class FoundOrganisation(Work):
    """Make an organisation with the default roles."""

    name: str
    ods_code: str | None = None
    changes = True
    alone = True
    own_sql = True

    def perform(self, opened: Opened) -> Answer:
        """Write it; its entry is line 0 of its chain."""
        org = new_id()
        opened.keyring().add_organisation(opened.connection(), org, opened.at)
        trail.found(opened.connection(), org, opened.at)
        opened.execute(
            insert(organisation),
            {
                "id": org,
                "name": self.name,
                "ods_code": self.ods_code,
                "created_at": spell(opened.at),
                "roles_version": 1,
            },
        )
        _enter_roles(opened, org)
        opened.note.org = org
        opened.note.object = ("organisation", org)
        opened.note.version = 1
        return Answer({"id": org, "name": self.name})


def _enter_roles(opened: Opened, org: str) -> None:
    """Write the default roles, each with an entry of its own: one entry vouches for one row."""
    key = opened.organisation_key(org)
    noted = opened.note
    for row in role_rows(org, key):
        opened.execute(insert(role), row)
        opened.note = Note(org=org, homes=())
        permissions = FieldChange("permissions", None, row["permissions"])
        opened.changed("role", str(row["name"]), 1, row["state"], [permissions], (org, key))
        opened.also.append(further_entry(opened, "role.create"))
    opened.note = noted


def role_rows(org: str, key: DataKey) -> list[dict[str, Any]]:
    """Return the rows of the default roles."""
    rows = []
    for name, described in DEFAULT_ROLES.items():
        matrix = {"records": described["records"], "system": described["system"]}
        row: dict[str, Any] = {
            "org": org,
            "name": name,
            "about": described["for"],
            "user_kind": described["user_kind"],
            "permissions": orjson.dumps(matrix).decode(),
            "version": 1,
        }
        rows.append(row | {"state": role_state(key, row.values())})
    return rows


def role_state(key: DataKey | StateKey, columns: Iterable[object]) -> bytes:
    """Return the keyed digest of a role's row: all columns, in their order, but the digest itself."""
    return _BOUND.digest(key, list(columns))
