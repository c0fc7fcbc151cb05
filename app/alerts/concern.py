"""Whom a finding is about: they neither see its alert nor review it.

Besides the person a rule names these are whoever acted in the entries it rests on, or had their account
changed there: the accounts that a source was used for, whose session it was. That somebody else sat at their
session is no reason to let them judge it.
"""

import orjson
from sqlalchemy import select

from app.access.opened import Opened
from app.audit import choosing
from app.core.identifiers import is_id
from app.detection.finding import Finding
from app.identity.table import session

MOST = 200
"""How many people one alert is about at most; who is beyond them is not kept from it."""


def concerned_by(opened: Opened, finding: Finding) -> list[str]:
    """Return whom a finding is about, the person it names first."""
    people = [finding.user_id, _subject(opened, finding.subject)]
    if finding.chain == opened.org:
        people += _acting(opened, sorted(finding.entries))
    return list(dict.fromkeys(one for one in people if one is not None and is_id(one)))[:MOST]


def _subject(opened: Opened, subject: str) -> str | None:
    kind, _, named = subject.partition(":")
    if kind == "session":
        query = select(session.c.user_id).where(session.c.org == opened.org, session.c.id == named)
        return opened.execute(query).scalar()
    return named if kind == "user" else None


def _acting(opened: Opened, seqs: list[int]) -> list[str | None]:
    people: list[str | None] = []
    for line in choosing.lines(opened.connection(), opened.org, seqs):
        event = orjson.loads(line)["e"]
        actor, thing = event["actor"], event.get("obj", {})
        people.append(actor["id"] if actor["kind"] == "user" else None)
        people.append(thing.get("id") if thing.get("t") == "user" else None)
    return people
