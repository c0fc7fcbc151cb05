"""What a stored answer shows of an incident, looked at as it is now.

Whether the caller sees the incident is asked as for reading it. Besides, some of what it shows goes by how
far the caller reaches: who was shut out, which incidents are alike, what a scope counted. What is not within
reach now is left out.
"""

from collections.abc import Iterable

from sqlalchemy import select

from app.access.opened import Opened
from app.incidents.containment_rows import within_reach
from app.incidents.scope_reading import homes_managed, reach_of, reads_trail
from app.incidents.seeing import MANAGE, find, reached
from app.incidents.table import incident
from app.incidents.vocabulary import Plain

REACH = "reach"
"""Under this name a stored scope has the homes it was counted for; None: the whole organisation."""


def incident_again(opened: Opened, told: Plain) -> Plain:
    """Return an incident as it was shown, without people and like incidents that are out of reach now.

    Raises:
        NotFoundError: They do not see it any more.
    """
    find(opened, told["id"])
    named = {one for each in told["containments"] for one in each["user_ids"]}
    known = _known(opened, named, MANAGE)
    shut = [
        each | {"user_ids": [one for one in each["user_ids"] if one in known]}
        for each in told["containments"]
    ]
    alike = _seen(opened, [one["id"] for one in told["repeats"]])
    return told | {"containments": shut, "repeats": [one for one in told["repeats"] if one["id"] in alike]}


def containment_again(opened: Opened, told: Plain, permissions: Iterable[str]) -> Plain:
    """Return a containment as it was shown, of the people those to whom one of its acts could be done now.

    Raises:
        NotFoundError: The caller does not see its incident any more.
    """
    find(opened, told["incident_id"])
    known = _known(opened, told["user_ids"], *permissions)
    users = [one for one in told["users"] if one["user_id"] in known]
    return told | {"user_ids": [one for one in told["user_ids"] if one in known], "users": users}


def scope_again(opened: Opened, told: Plain) -> Plain:
    """Return a scope as it was counted, or none where it was counted for more than the caller reaches now.

    Raises:
        NotFoundError: The caller does not see its incident any more.
    """
    find(opened, told["incident_id"])
    shown = {name: value for name, value in told.items() if name != REACH}
    homes, scope = homes_managed(opened), shown["scope"]
    if homes is not None:
        then, reach = told.get(REACH), reach_of(opened)
        within = then is not None and homes.issuperset(then)
        if not within or not all(reach.admits(one["resident_id"]) for one in scope["residents"]):
            return shown | {"scope": None}
    if not reads_trail(opened):
        scope = scope | {"actors": [one | {"name": None} for one in scope["actors"]]}
    return shown | {"scope": scope}


def _known(opened: Opened, people: Iterable[str], *permissions: str) -> set[str]:
    return set(within_reach(opened, people, permissions)) if people else set()


def _seen(opened: Opened, alike: list[str]) -> set[str]:
    """Return those of some incidents the caller sees."""
    if not alike:
        return set()
    query = select(incident.c.id).where(
        incident.c.org == opened.org, incident.c.id.in_(alike), *reached(opened)
    )
    return set(opened.execute(query).scalars())
