"""Whom a finding is about, and where: they neither see its alert nor review it.

Besides the person a rule names these are whoever acted in the entries it rests on, or had their account
changed there: the accounts that a source was used for, whose session it was. That somebody else sat at their
session is no reason to let them judge it.
"""

from typing import Any

import orjson
from sqlalchemy import select

from app.access.opened import Opened
from app.audit import choosing
from app.core.identifiers import is_id
from app.detection.finding import Finding
from app.identity.table import account, session

MOST = 200
"""How many people one alert is about at most; who is beyond them is not kept from it."""


def concerned_by(opened: Opened, finding: Finding) -> list[str]:
    """Return whom a finding is about, the person it names first."""
    people = [finding.user_id, _subject(opened, finding.subject), *_acting(_evidence(opened, finding))]
    return list(dict.fromkeys(one for one in people if one is not None and is_id(one)))[:MOST]


def _subject(opened: Opened, subject: str) -> str | None:
    kind, _, named = subject.partition(":")
    if kind == "session":
        query = select(session.c.user_id).where(session.c.org == opened.org, session.c.id == named)
        return opened.execute(query).scalar()
    return named if kind == "user" else None


def homes_of(opened: Opened, finding: Finding) -> list[str]:
    """Return where a finding belongs: the homes of all its entries, and of whom it is about.

    None: to the whole organisation, as whatever is about no home in particular. Who reads in another home
    than their own is so seen in both: here they work, there are the residents.
    """
    homes = list(finding.homes)
    if not homes:
        return []
    for event in _evidence(opened, finding):
        homes += event.get("homes", ())
    query = select(account.c.assignments).where(account.c.org == opened.org, account.c.id == finding.user_id)
    assigned = opened.execute(query).scalar() if finding.user_id is not None else None
    homes += [one["home_id"] for one in orjson.loads(assigned or "[]") if one.get("home_id")]
    return list(dict.fromkeys(homes))


def _evidence(opened: Opened, finding: Finding) -> list[dict[str, Any]]:
    if finding.chain != opened.org:
        return []
    found = choosing.lines(opened.connection(), opened.org, sorted(finding.entries))
    return [orjson.loads(line)["e"] for line in found]


def _acting(events: list[dict[str, Any]]) -> list[str | None]:
    people: list[str | None] = []
    for event in events:
        actor, thing = event["actor"], event.get("obj", {})
        people.append(actor["id"] if actor["kind"] == "user" else None)
        people.append(thing.get("id") if thing.get("t") == "user" else None)
    return people
