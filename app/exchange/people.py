"""Names and telephone numbers: of several, the one that is used now."""

from datetime import date
from typing import Any

from app.exchange.bundle import JsonObject
from app.exchange.dates import outside
from app.exchange.elements import first, objects, text

_GIVEN_UP = ("old", "maiden")
_NAME_ORDER = {"official": 0, "usual": 1}
_LAST = 1_000


def names_in_use(names: Any, today: date) -> list[JsonObject]:
    """Return the HumanNames a person goes by, the official first; without nicknames and former names."""
    used = [name for name in objects(names) if name.get("use") not in (*_GIVEN_UP, "nickname")]
    return sorted(used, key=lambda name: (_is_over(name, today), _NAME_ORDER.get(str(name.get("use")), 2)))


def best_name(names: Any, today: date) -> JsonObject:
    """Return the HumanName to call somebody by: a former one only where there is no other."""
    return next(iter([*names_in_use(names, today), *objects(names)]), {})


def phone(contact_points: Any, today: date) -> str | None:
    """Return the telephone number that ranks first among those still used."""
    usable = [
        one
        for one in objects(contact_points)
        if one.get("system") in ("phone", "sms") and one.get("use") != "old" and not _is_over(one, today)
    ]
    return first(text(one.get("value")) for one in sorted(usable, key=_rank))


def _is_over(one: JsonObject, today: date) -> bool:
    return outside(one.get("period"), today) is not None


def _rank(one: JsonObject) -> int:
    rank = one.get("rank")
    return rank if isinstance(rank, int) and not isinstance(rank, bool) else _LAST
