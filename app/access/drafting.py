"""From the notes of an attempt to its entry.

The entry holds ids, codes and names of fields. Reasons, values before and after and names of people
are sealed beside it, bound to its position, and only their hashes stand in the line.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from app.access.agent import Agent
from app.access.opened import Note, Opened
from app.audit.entry import Draft, SealedName, SealedValue, Side, begin
from app.vault.sealing import DataKey, Place, fingerprint

NAME_SALT_BYTES = 32
_OF_ALERTS = "alert."
"""Acts whose entries name no home: who reads the trail of a home may be whom the alert is about."""


def further_entry(opened: Opened, act: str) -> Draft:
    """Return an entry of its own for what was noted so far: one record of an import."""
    visit = opened.visit
    return draft(opened, act, "ok", None, {"rid": visit.request_id} if visit.request_id else {})


def draft(opened: Opened, act: str, out: str, why: str | None, source: dict[str, str]) -> Draft:
    """Return the entry of an attempt, from its notes."""
    note, visit = opened.note, opened.visit
    agent = note.actor or opened.agent
    event = begin(note.act or act, out, actor_of(agent))
    _put(event, "why", why)
    _put(event, "sess", agent.session_id)
    _put(event, "dev", agent.device_id)
    _put(event, "purpose", visit.purpose)
    _put(event, "src", source)
    if note.object is not None:
        kind, identifier = note.object
        _put(event, "obj", _object(kind, identifier, note))
    if not event["act"].startswith(_OF_ALERTS):
        _put(event, "homes", list(agent.homes if note.homes is None else note.homes))
    _put(event, "subs", note.subs)
    if note.count is not None:
        event["n"] = note.count
    if note.state is not None:
        event["state"] = note.state.hex()
    _put(event, "name_h", note.name_hash)
    event |= note.members
    return Draft(note.org or agent.org, event, seal=_sealer(opened, note), then=note.then)


def actor_of(agent: Agent) -> dict[str, Any]:
    """Return the `actor` member of an entry."""
    actor: dict[str, Any] = {"id": agent.id, "kind": agent.kind}
    if agent.roles:
        actor["roles"] = list(agent.roles)
    if agent.name_seq is not None:
        actor["name_seq"] = agent.name_seq
    return actor


def _object(kind: str, identifier: str | None, note: Note) -> dict[str, Any]:
    described: dict[str, Any] = {"t": kind}
    _put(described, "id", identifier)
    _put(described, "ver", note.version)
    _put(described, "cat", note.category)
    return described


def _put(target: dict[str, Any], key: str, value: Any) -> None:
    if value:
        target[key] = value


def _sealer(opened: Opened, note: Note) -> Any:
    if not note.changes and not note.reason:
        return None
    org = note.org or opened.agent.org
    row = (note.object[1] if note.object else None) or ""
    reason_owner = note.reason_owner or note.owner or (org, opened.organisation_key(org))

    def seal_one(owner: str, key: DataKey, field: str, side: Side, plain: bytes, seq: int) -> SealedValue:
        box = key.seal(plain, beside(org, owner, row, f"{side}:{field}", note.version or 0, seq))
        return SealedValue(field, side, owner, box, fingerprint(box))

    def seal(seq: int) -> list[SealedValue]:
        values: list[SealedValue] = []
        if note.owner is not None:
            sides: tuple[tuple[Side, str], ...] = (("b", "before"), ("a", "after"))
            values = [
                seal_one(*note.owner, change.field, side, orjson.dumps(value), seq)
                for change in note.changes
                for side, name in sides
                if (value := getattr(change, name)) is not None
            ]
        if note.reason:
            values.append(seal_one(*reason_owner, "", "r", note.reason.encode(), seq))
        return values

    return seal


def beside(org: str, owner: str, row: str, field_name: str, version: int, seq: int) -> Place:
    """Return where a value kept beside a line belongs: the row's place and the entry's position."""
    return Place(org, owner, row, f"{field_name}@{seq}", version)


def identity_entry(opened: Opened, user_id: str, key: DataKey, name: str, homes: Sequence[str]) -> Draft:
    """Return the entry that sets a person's name: SHA-256(salt || name) in the line, both sealed beside.

    It is the system's own entry, next to the one of the request that set the name.
    """
    salt = opened.entropy.bytes(NAME_SALT_BYTES)
    org = opened.org
    actor: dict[str, Any] = {"id": "system:identity", "kind": "system"}
    event = begin("identity.set", "ok", actor)
    event["obj"] = {"t": "user", "id": user_id}
    event["name_h"] = fingerprint(salt + name.encode())
    _put(event, "homes", list(homes))

    def sealed_name(seq: int) -> SealedName:
        place = beside(org, user_id, user_id, "name", 0, seq)
        return SealedName(user_id, key.seal(salt + name.encode(), place))

    return Draft(org, event, name=sealed_name)
