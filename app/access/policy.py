"""The permission decision: one pure function that returns its reason.

It answers in the contract's order (section 1, "403 or 404"):

1. refused, when the agent holds nowhere a permission with which this could succeed;
2. missing or hidden, when the thing is not there, or not for this agent;
3. refused, when it may be seen but not so handled.

Everything not granted is refused. There are no deny rules, so their order cannot matter.

Source: ACCESS-1 (ASVS 5.0 8.2.1, 8.2.2).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from app.access.agent import Agent, Grant, Place

Alternatives = tuple[frozenset[str], ...]
Result = Literal["permitted", "refused", "hidden", "missing"]

NOTHING_NEEDED: Alternatives = (frozenset(),)


def need(*permissions: str) -> Alternatives:
    """Return the single alternative that wants all of `permissions`."""
    return (frozenset(permissions),)


def one_of(permissions: Iterable[str]) -> Alternatives:
    """Return alternatives of which each permission alone suffices."""
    return tuple(frozenset({p}) for p in permissions)


@dataclass(frozen=True, slots=True)
class Question:
    """What an attempt needs, in the words of the matrix.

    Attributes:
        anywhere: Step 1: alternatives of which one must be held somewhere.
        here: Step 3: alternatives of which one must be held at `place`.
        seen: Step 2: alternatives of which one makes the thing visible at `place`.
        place: Where; None when the attempt concerns no particular place.
        missing: The thing asked for is not there.
        organisation_wide: Only assignments without limit of place count.
    """

    anywhere: Alternatives = NOTHING_NEEDED
    here: Alternatives = NOTHING_NEEDED
    seen: Alternatives = ()
    place: Place | None = None
    missing: bool = False
    organisation_wide: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision and its reason, a code for the trail."""

    result: Result
    why: str


PERMITTED = Verdict("permitted", "granted")
NO_PERMISSION = Verdict("refused", "no-permission")
NOT_ALLOWED = Verdict("refused", "action-not-allowed")
OUT_OF_SCOPE = Verdict("hidden", "out-of-scope")
NOT_FOR_ROLE = Verdict("hidden", "not-for-role")
MISSING = Verdict("missing", "not-found")


def decide(agent: Agent, question: Question) -> Verdict:
    """Decide one attempt. Pure: looks at nothing but its arguments."""
    grants = agent.grants
    if question.organisation_wide:
        grants = tuple(g for g in grants if g.whole_organisation)
    if not _held_somewhere(grants, question.anywhere):
        return NO_PERMISSION
    if question.missing:
        return MISSING
    if question.place is None:
        return PERMITTED
    if _held(grants, question.place, question.here):
        return PERMITTED
    if _held(grants, question.place, question.seen):
        return NOT_ALLOWED
    # to the caller both are 404; whoever reads the trail is told a carer of the house from a stranger
    return NOT_FOR_ROLE if any(grant.covers(question.place) for grant in grants) else OUT_OF_SCOPE


def allowed_at(agent: Agent, permission: str, place: Place) -> bool:
    """Say whether one permission is held at a place: the filter of lists."""
    return any(permission in g.may and g.covers(place) for g in agent.grants)


def at_home(agent: Agent, permission: str, home_id: str | None) -> Question:
    """Return the question of a list: the permission, and if a home is named, some reach into it.

    Somebody who may see only one unit or named residents of a home may ask for its list and gets theirs.
    """
    wanted = need(permission)
    reached = home_id is None or reaches_home(agent, permission, home_id)
    return Question(anywhere=wanted, here=wanted, place=None if reached else Place(home_id))


def reaches_home(agent: Agent, permission: str, home_id: str) -> bool:
    """Say whether a permission is held somewhere in a home: in all of it, in a unit, for some residents."""
    return any(permission in g.may and g.home_id in (None, home_id) for g in agent.grants)


def _held(grants: tuple[Grant, ...], place: Place, alternatives: Alternatives) -> bool:
    covering = [g for g in grants if g.covers(place)]
    if not covering:
        return False
    for wanted in alternatives:
        if any(g.may.issuperset(wanted) for g in covering):
            return True
        if len(wanted) > 1 and all(any(p in g.may for g in covering) for p in wanted):
            return True  # two roles at one place add up
    return False


def _held_somewhere(grants: tuple[Grant, ...], alternatives: Alternatives) -> bool:
    if alternatives == NOTHING_NEEDED:
        return True
    return any(_add_up(grants, wanted) for wanted in alternatives)


def _add_up(grants: tuple[Grant, ...], wanted: frozenset[str]) -> bool:
    """Say whether there is any place at which all of `wanted` is held, by whichever assignments."""
    reaches = {_EVERYWHERE}
    for permission in wanted:
        holders = [grant for grant in grants if permission in grant.may]
        reaches = {met for reach in reaches for grant in holders if (met := _meet(reach, grant)) is not None}
    return bool(reaches)


class _Reach(NamedTuple):
    """Where some assignments meet; None means anywhere, or everybody."""

    home_id: str | None
    unit: str | None
    residents: frozenset[str] | None


_EVERYWHERE = _Reach(None, None, None)


def _meet(reach: _Reach, grant: Grant) -> _Reach | None:
    """Return what an assignment covers of a reach; None if that is nothing."""
    residents = reach.residents if grant.residents is None else grant.residents
    if reach.residents is not None and residents is not None:
        residents &= reach.residents
    apart = _differ(reach.home_id, grant.home_id) or _differ(reach.unit, grant.unit)
    if apart or residents == frozenset():
        return None
    return _Reach(reach.home_id or grant.home_id, reach.unit or grant.unit, residents)


def _differ(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one != other
