"""The fold of a scope, held against an independent count of the same lines."""

import random
from collections import Counter
from typing import Any

import pytest

from app.incidents.deeds import category_of, deed_of
from app.incidents.scope import Fold, Reach, Selection
from app.incidents.unknowns import Circumstances, not_known

USERS, RESIDENTS, HOMES = [f"u{n}" for n in range(6)], [f"r{n}" for n in range(9)], ["h0", "h1", "h2"]
ACTS = (
    *("record.read", "record.list", "record.create", "record.update", "resident.list", "resident.read"),
    *("auth.login", "audit.export", "audit.export.end", "resident.export", "audit.read", "user.update"),
)
HOME_OF = {one: HOMES[n % 3] for n, one in enumerate(RESIDENTS)}


def history(seed: int, count: int = 400) -> list[dict[str, Any]]:
    """Return lines of many kinds, some of which no service would write."""
    rng, lines = random.Random(seed), []
    for seq in range(count):
        act = rng.choice(ACTS)
        event: dict[str, Any] = {
            "act": act,
            "out": rng.choice(["ok", "ok", "ok", "deny", "fail"]),
            "actor": {"id": rng.choice(USERS), "roles": [rng.choice(["carer", "nurse"])]},
            "src": {"ip_h": rng.choice(["s0", "s1"])},
        }
        if rng.random() < 0.9:
            event |= {"sess": f"{event['actor']['id']}-{rng.randrange(3)}", "dev": rng.choice(["d0", "d1"])}
        if rng.random() < 0.8:
            event["subs"] = rng.sample(RESIDENTS, rng.choice([1, 1, 1, 2, 5]))
            event["homes"] = sorted({HOME_OF[one] for one in event["subs"]})
        if act.startswith("record") and rng.random() < 0.7:
            event["obj"] = {"t": "record", "id": f"rec{rng.randrange(40)}", "cat": rng.choice("ab")}
        if act.endswith(("create", "update")) and event["out"] == "ok":
            event["state"] = "00"
        if rng.random() < 0.5:
            event["n"] = rng.randrange(9)
        at = f"2026-03-{1 + seq // 40:02}T00:00:{seq % 40:02}.000000Z"
        lines.append({"c": {"seq": seq, "ts": at}, "e": event})
    return lines


def chosen(seed: int) -> Selection:
    """Return a selection of any shape."""
    rng = random.Random(seed)

    def some(of: list[str]) -> tuple[str, ...]:
        return tuple(rng.sample(of, rng.choice([1, 2]))) if rng.random() < 0.4 else ()

    sessions = [f"{user}-{n}" for user in USERS for n in range(3)]
    return Selection(
        "2026-03-01",
        None,
        some(USERS),
        some(sessions),
        some(["d0", "d1"]),
        some(RESIDENTS),
        some(["s0", "s2"]),
    )


def naive(lines: list[dict[str, Any]], wanted: Selection, homes: set[str] | None) -> Any:
    """Count the same in the plainest way: for each resident, person and deed on its own."""
    seen = [RESIDENTS, [one for one in RESIDENTS if HOME_OF[one] in (homes or ())]][homes is not None]
    total: Counter[str] = Counter()
    of_residents: Counter[tuple[str, str]] = Counter()
    of_categories: Counter[tuple[str, str, str]] = Counter()
    of_actors: Counter[tuple[str, str]] = Counter()
    records, items = set(), 0
    for line in lines:
        e = line["e"]
        asked = wanted.users or wanted.sessions or wanted.devices or wanted.sources
        hit = e["actor"]["id"] in wanted.users or e.get("sess") in wanted.sessions
        hit = hit or e.get("dev") in wanted.devices or e["src"]["ip_h"] in wanted.sources
        about = not wanted.residents or bool(set(wanted.residents) & set(e.get("subs", [])) & set(seen))
        near = (
            homes is None or bool(homes & set(e.get("homes", []))) or bool(set(seen) & set(e.get("subs", [])))
        )
        if (asked and not hit) or not about or not near:
            continue
        deed = plain_deed(e)
        total[deed] += 1
        of_actors[e["actor"]["id"], deed] += 1
        if e["act"].startswith("record.") and deed in ("read", "changed") and set(seen) & set(e["subs"]):
            items += e.get("n", 1) if deed == "read" else 1
            records |= {e["obj"]["id"]} if "obj" in e else set()
        for resident in e.get("subs", []):
            if deed != "other" and resident in seen:
                of_residents[resident, deed] += 1
                of_categories[resident, category_of(e), deed] += 1
    return total, of_residents, of_categories, of_actors, (len(records), items)


def plain_deed(e: dict[str, Any]) -> str:
    """Say what was done, written out."""
    act, out = e["act"], e["out"]
    if act == "audit.export.end":
        return "other"
    if out == "deny":
        return "refused"
    if out == "fail":
        return "failed"
    if act in ("audit.export", "resident.export"):
        return "exported"
    if not e.get("subs"):
        return "other"
    return "changed" if "state" in e else "read"


@pytest.mark.parametrize("seed", range(60))
def test_a_fold_counts_what_is_there(seed: int) -> None:
    """For random histories, selections and reaches every tally is what a plain count gives."""
    lines, wanted = history(seed), chosen(seed + 1000)
    homes = None if seed % 2 else {"h0", "h2"}
    reach = Reach()
    if homes is not None:
        reach = Reach(frozenset(homes), frozenset(one for one in RESIDENTS if HOME_OF[one] in homes))
    fold = Fold(wanted, reach)
    took = [fold.take(line) for line in lines]
    told = fold.told()
    total, of_residents, of_categories, of_actors, of_records = naive(lines, wanted, homes)

    assert sum(total.values()) == told["entries"]["counted"] == sum(took)
    assert +total == +Counter({deed: told["entries"][deed] for deed in (*KINDS, "other")})
    found = Counter({(r["resident_id"], deed): r[deed] for r in told["residents"] for deed in KINDS})
    assert +of_residents == +found
    by_category = Counter(
        {
            (r["resident_id"], category, deed): count
            for r in told["residents"]
            for category, deeds in r["categories"].items()
            for deed, count in deeds.items()
        }
    )
    assert +of_categories == +by_category
    acted = Counter({(a["user_id"], deed): a[deed] for a in told["actors"] for deed in (*KINDS, "other")})
    assert +of_actors == +acted
    records = told["records"]
    assert of_records == (records["opened_one_by_one"], records["disclosed_with_repeats"])
    stamps = [line["c"]["ts"] for line, counted in zip(lines, took, strict=True) if counted]
    assert (min(stamps, default=None), max(stamps, default=None)) == (told["first"], told["last"])
    shown = {"read", "changed", "exported"}
    assert len({r for r, deed in of_residents if deed in shown}) == told["residents_affected"]


KINDS = ("read", "changed", "exported", "refused", "failed")


def line(act: str, out: str = "ok", **more: Any) -> dict[str, Any]:
    """Return one line."""
    event = {"act": act, "out": out, "actor": {"id": "u0"}, **more}
    return {"c": {"seq": 1, "ts": "2026-03-02T00:00:00.000000Z"}, "e": event}


@pytest.mark.parametrize(
    ("entry", "deed", "category"),
    [
        (line("record.read", subs=["r"], obj={"t": "record", "cat": "diet"}), "read", "diet"),
        (line("record.list", subs=["r"], obj={"t": "resident"}), "read", "unnamed"),
        (line("record.update", subs=["r"], obj={"t": "record", "cat": "diet"}, state="0"), "changed", "diet"),
        (line("resident.erase", subs=["r"], rows=[{}], obj={"t": "erasure"}), "changed", "identity"),
        (line("resident.list", subs=["r", "q"]), "read", "identity"),
        (line("resident.export", subs=["r"]), "exported", "everything"),
        (line("resident.export_end", subs=["r"], n=4), "other", "everything"),
        (line("continuity.pack", subs=["r"]), "exported", "continuity_pack"),
        (line("audit.access_log", subs=["r"]), "read", "trail"),
        (line("incident.scope", subs=["r"], state="0", chg=[{}]), "read", "trail"),
        (line("alert.link", subs=["r"], rows=[{}]), "read", "trail"),
        (line("record.read", "deny", subs=["r"], obj={"t": "record"}), "refused", "unnamed"),
        (line("record.update", "fail", subs=["r"], obj={"t": "record"}), "failed", "unnamed"),
        (line("audit.export.end", "fail", n=7), "other", "trail"),
        (line("auth.login"), "other", "auth"),
    ],
)
def test_an_entry_says_what_was_done(entry: dict[str, Any], deed: str, category: str) -> None:
    """Read, changed, exported, refused or failed, and with data of which category."""
    assert (deed, category) == (deed_of(entry["e"]), category_of(entry["e"]))


def test_whom_an_entry_names_is_told_apart_from_what_was_done() -> None:
    """An end of an export and a search by id name residents too: of those within reach it is known."""
    ended = line("resident.export_end", subs=["r", "far"], obj={"t": "resident", "id": "r"})
    missed = line("resident.read", "fail", obj={"t": "resident", "id": "q"})
    beyond = line("resident.read", "fail", obj={"t": "resident", "id": "far"}, homes=["h"])
    for reach, named, asked in (
        (Reach(), {"r", "far"}, {"r", "q", "far"}),
        (Reach(frozenset({"h"}), frozenset({"r", "q"})), {"r"}, {"r"}),
    ):
        fold = Fold(Selection("2026"), reach)
        for one in (ended, missed, beyond):
            fold.take(one)
        assert ({}, named, asked) == (fold.residents, fold.named, fold.asked)


def test_a_resident_out_of_reach_selects_nothing() -> None:
    """Whoever asks for somebody of another home learns nothing, also not from a line that names both."""
    both = line("resident.list", subs=["r", "far"], homes=["h"])
    fold = Fold(Selection("2026", residents=("far",)), Reach(frozenset({"h"}), frozenset({"r"})))

    assert (False, False, 1) == (fold.take(both), fold.counts(both["e"]), fold.unmatched)
    whole = Fold(fold.selection)
    assert (True, True) == (whole.take(both), whole.counts(both["e"]))


def test_how_an_incident_is_dealt_with_is_not_what_it_reached() -> None:
    """Entries about the incident itself do not count, but how many there are is told; others do."""
    acts = ("incident.scope", "incident.scope_read", "incident.pack")
    own = [line(act, subs=["r"], state="0", obj={"t": "incident", "id": "i"}) for act in acts]
    others = [
        line("incident.pack", subs=["r"], obj={"t": "incident", "id": "j"}),
        line("record.read", subs=["r"], obj={"t": "record", "id": "i"}),
    ]
    fold = Fold(Selection("2026"), incident="i")

    assert [False] * 3 + [True] * 2 == [fold.take(one) for one in (*own, *others)]
    assert [False] * 3 + [True] * 2 == [fold.counts(one["e"]) for one in (*own, *others)]
    assert (2, 3) == (fold.counted, fold.unclear["handling"])


def test_what_is_not_known_is_said() -> None:
    """Each thing the lines leave open has its sentence and its number; what is always so comes last."""
    fold = Fold(Selection("2026-03-01", "2026-03-09", users=("u0", "u9"), sources=("s7",)))
    for one in (
        line("resident.list", subs=["r", "q"]),
        line("record.list", subs=["r"], n=3),
        line("audit.export", n=90),
        line("audit.events", "deny"),
    ):
        fold.take(one)
    plain = {one["code"]: one["count"] for one in not_known(fold, Circumstances("2026-01-01"))}
    rest = Circumstances("2026-03-02", pruned=True, erased=2, open_ended=True, upto="x", of_homes=True)
    codes = [one["code"] for one in not_known(fold, rest)]

    always = {"outside": None, "screens": None, "person": None}
    open_ones = {"lists": 1, "categories": 1, "exports": 1, "refused": 1, "unmatched": 2}
    assert open_ones | always == plain
    assert "stopped" == codes[0]
    assert {"before-trail", "pruned", "erased", "open", "other-homes"} == set(codes) - plain.keys() - {
        "stopped"
    }
    assert list(always) == codes[-3:]
