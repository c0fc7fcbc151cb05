"""Tamperings with sealed values, rows, rights and whole files: rows 18 to 27 and 37 to 44."""

import json
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.commands.opening import open_service
from app.core.settings import Settings
from app.residents.reapplying import erased_of, reapply
from tests.conformance.tamper_lines import a_read
from tests.conformance.tamper_scene import ROOT, Scene
from tests.conformance.tamper_tools import edited, lines_stored
from tests.support import tampering
from tests.support.commands import Told
from tests.support.sample_export import leaf_of

Facts = dict[str, Any]


def _last(scene: Scene, name: str) -> int:
    """Return the number of the newest entry that changed a row."""
    read = [json.loads(line)["e"] for line in lines_stored(scene)]
    return [n for n, e in enumerate(read) if "state" in e and e["obj"]["id"] == scene.ids[name]][-1]


def _about(scene: Scene, name: str, version: int) -> Facts:
    return {"id": scene.ids[name], "n": _last(scene, name), "v": version, "before": version - 1}


# --- 18, 19, 20: sealed values and keys -----------------------------------------------------------


def _sealed(scene: Scene) -> list[Any]:
    query = "SELECT seq, n, ct FROM audit_value WHERE org = :org AND side = 'a' ORDER BY seq, n"
    return scene.rows(query, org=scene.org)


def ciphertexts_swapped(scene: Scene) -> Facts:
    one, *_, other = _sealed(scene)
    change = "UPDATE audit_value SET ct = :ct WHERE org = :org AND seq = :seq AND n = :n"
    for place, box in ((one, other), (other, one)):
        scene.tamper(change, ct=bytes(box.ct), seq=place.seq, n=place.n)
    return {"n": one.seq, "m": other.seq}


def ciphertext_deleted(scene: Scene) -> Facts:
    one = _sealed(scene)[0]
    scene.tamper("DELETE FROM audit_value WHERE org = :org AND seq = :seq AND n = :n", seq=one.seq, n=one.n)
    return {"n": one.seq}


def wrapped_key_swapped(scene: Scene) -> Facts:
    scene.tamper(
        "UPDATE resident SET wrapped_key = (SELECT wrapped_key FROM resident WHERE id = :bob) WHERE id = :ada"
    )
    return _about(scene, "ada", 1)


# --- 21 to 27: rows -------------------------------------------------------------------------------


def record_updated(scene: Scene) -> Facts:
    scene.tamper("UPDATE record SET author = :manager WHERE id = :plain")
    return _about(scene, "plain", 1)


NOBODY = "01a20686-0000-7000-8000-000000000001"


def record_moved_to_nobody(scene: Scene) -> Facts:
    """The record stands under a resident who never was: no list shows it, and no key can judge it."""
    scene.tamper(
        "UPDATE record SET resident_id = :nobody, category = 'diet' WHERE id = :plain", nobody=NOBODY
    )
    return _about(scene, "plain", 1)


def version_moved_to_nobody(scene: Scene) -> Facts:
    scene.tamper("UPDATE record_version SET resident_id = :nobody WHERE record_id = :plain", nobody=NOBODY)
    return _about(scene, "plain", 1)


def record_moved_to_the_erased(scene: Scene) -> Facts:
    """The record, with its versions, stands under a resident whose key was destroyed lawfully."""
    _erase(scene, "cyd")
    scene.tamper("UPDATE record_version SET resident_id = :cyd WHERE record_id = :plain")
    scene.tamper("UPDATE record SET resident_id = :cyd WHERE id = :plain")
    return _about(scene, "plain", 1)


def version_moved_to_the_erased(scene: Scene) -> Facts:
    _erase(scene, "cyd")
    scene.tamper("UPDATE record_version SET resident_id = :cyd WHERE record_id = :plain")
    return _about(scene, "plain", 1)


def _erase(scene: Scene, name: str) -> None:
    """Have the service erase a resident anew, as after a restore, for what a line of its ledger says."""
    told = {
        "erasure": NOBODY, "id": scene.ids[name], "basis": "retention_ended", "asked_by": scene.ids["nurse"],
        "approved_by": scene.ids["manager"], "at": "2026-04-01T08:00:00.000000Z", "records": 0, "seq": 7,
    }  # fmt: skip
    settings = Settings(
        data_dir=scene.data_dir,
        database_url=scene.place.database.service,
        deployment=scene.original.deployment,
    )
    with open_service(settings) as service:
        assert reapply(service.turn, [erased_of(scene.org, told, None)]) == 1


def record_set_back(scene: Scene) -> Facts:
    """The row is what it was before its last amendment, version and digest and all."""
    [before] = scene.rows(
        "SELECT v.* FROM record_version v WHERE v.record_id = :id AND v.version = 2", id=scene.ids["note"]
    )
    entry = next(
        e
        for e in (json.loads(line)["e"] for line in lines_stored(scene))
        if e.get("obj", {}).get("id") == scene.ids["note"] and e["obj"]["ver"] == 2 and "state" in e
    )
    same = ("occurred_at", "recorded_at", "recorded_by", "late", "body", "version")
    values = {name: before._mapping[name] for name in same} | {"state": bytes.fromhex(entry["state"])}
    columns = ", ".join(f"{name} = :{name}" for name in values)
    scene.tamper(f"UPDATE record SET {columns} WHERE id = :note", **values)
    return _about(scene, "note", 3)


def record_deleted(scene: Scene) -> Facts:
    scene.tamper("DELETE FROM record_version WHERE record_id = :plain")
    scene.tamper("DELETE FROM record WHERE id = :plain")
    return _about(scene, "plain", 1)


def record_inserted(scene: Scene) -> Facts:
    [row] = scene.rows("SELECT * FROM record WHERE id = :id", id=scene.ids["plain"])
    forged = dict(row._mapping) | {"id": "0190a000-0000-7000-8000-0000000000ff"}
    named = ", ".join(f":{name}" for name in forged)
    scene.tamper(f"INSERT INTO record ({', '.join(forged)}) VALUES ({named})", each=[forged])
    return {"id": forged["id"]}


def bodies_swapped(scene: Scene) -> Facts:
    for name, other in (("other", "plain"), ("plain", "other")):
        [(body,)] = scene.rows("SELECT body FROM record_version WHERE record_id = :id", id=scene.ids[other])
        scene.tamper(f"UPDATE record SET body = :body WHERE id = :{name}", body=bytes(body))
    return {
        "plain": scene.ids["plain"], "n": _last(scene, "plain"),
        "other": scene.ids["other"], "m": _last(scene, "other"),
    }  # fmt: skip


def name_in_the_table(scene: Scene) -> Facts:
    """The sealed profile of an account, with its display name, is another's."""
    theirs = "(SELECT profile FROM account WHERE id = :manager)"
    scene.tamper(f"UPDATE account SET profile = {theirs} WHERE id = :nurse")
    return _about(scene, "nurse", 1)


def name_beside_the_line(scene: Scene) -> Facts:
    """The name sealed beside the line is another's, so that exports would show it."""
    [(theirs,)] = scene.rows("SELECT ct FROM audit_name WHERE user_id = :id", id=scene.ids["manager"])
    scene.tamper("UPDATE audit_name SET ct = :ct WHERE user_id = :nurse", ct=bytes(theirs))
    return {"id": scene.ids["nurse"], "n": scene.line_of("identity.set", 1)}


def name_pointed_elsewhere(scene: Scene) -> Facts:
    scene.tamper("UPDATE account SET name_seq = name_seq - 1 WHERE id = :nurse")
    n = scene.line_of("identity.set", 1)
    return {"id": scene.ids["nurse"], "n": n, "before": n - 1}


def role_widened(scene: Scene) -> Facts:
    scene.tamper(
        "UPDATE role SET permissions = replace(permissions, 'read', 'write')"
        " WHERE name = 'kitchen' AND org = :org"
    )
    read = [json.loads(line)["e"] for line in lines_stored(scene)]
    return {"n": next(n for n, e in enumerate(read) if e.get("obj", {}).get("id") == "kitchen")}


# --- 37, 38, 39: what protects --------------------------------------------------------------------


def trigger_disabled(scene: Scene) -> Facts:
    if scene.kind == "sqlite":
        scene.looking(lambda c: c.execute(text("DROP TRIGGER audit_event_update")))
        return {"what": "trigger audit_event_update is missing"}
    scene.looking(lambda c: c.execute(text("ALTER TABLE audit_event DISABLE TRIGGER audit_event_change")))
    return {"what": "trigger audit_event_change is disabled"}


def right_widened(scene: Scene) -> Facts:
    """On SQLite, which knows no rights, another trigger is added in place of one."""
    if scene.kind == "sqlite":
        added = "CREATE TRIGGER audit_event_also AFTER INSERT ON audit_event BEGIN SELECT 1; END"
        scene.looking(lambda c: c.execute(text(added)))
        return {"what": "trigger audit_event_also was added"}
    scene.looking(lambda c: c.execute(text("GRANT DELETE ON audit_event TO caretrail_service")))
    return {"what": "grant of DELETE on audit_event to caretrail_service goes beyond what serving needs"}


def _refused(scene: Scene, *statements: str, url: str | None = None, **named: Any) -> Facts:
    """Run statements that the database must refuse, each, and keep what it said."""
    said = []
    for statement in statements:
        try:
            scene.looking(lambda c, s=statement: c.execute(text(s), named), url)
        except DBAPIError as error:
            said.append(str(error.orig))
    scene.told = Told(int(len(said) == len(statements)), "\n".join(said))
    return {}


def replaced_by_the_service(scene: Scene) -> Facts:
    """The service's own login replaces a line."""
    if scene.kind == "sqlite":
        statement = "INSERT OR REPLACE INTO audit_event (org, seq, line, leaf) SELECT org, 3, line, leaf"
        return _refused(scene, statement + " FROM audit_event WHERE org = :org AND seq = 4", org=scene.org)
    statement = (
        "INSERT INTO audit_event (org, seq, line, leaf) SELECT org, 3, line, leaf FROM audit_event"
        " WHERE org = :org AND seq = 4 ON CONFLICT (org, seq) DO UPDATE SET line = excluded.line"
    )
    return _refused(scene, statement, url=scene.place.database.service, org=scene.org)


def replaced_past_protection(scene: Scene) -> Facts:
    n = a_read(scene)
    line = edited(lines_stored(scene)[n])
    scene.tamper("DELETE FROM audit_event WHERE org = :org AND seq = :n", n=n)
    statement = "INSERT INTO audit_event (org, seq, line, leaf) VALUES (:org, :n, :line, :leaf)"
    scene.tamper(statement, n=n, line=line, leaf=leaf_of(line))
    return {"n": n, "next": n + 1}


def emptied_by_the_owner(scene: Scene) -> Facts:
    if scene.kind == "sqlite":
        return _refused(scene, "DELETE FROM audit_event")
    return _refused(scene, "TRUNCATE audit_event", "DELETE FROM audit_event", url=scene.place.database.owner)


def emptied_past_protection(scene: Scene) -> Facts:
    s = len(lines_stored(scene))
    empty = "DELETE FROM audit_event" if scene.kind == "sqlite" else "TRUNCATE audit_event"

    def look(connection: Any) -> None:
        with tampering.unprotected(connection):
            connection.execute(text(empty))

    scene.looking(look)
    return {"s": s}


def dropped(scene: Scene) -> Facts:
    scene.looking(lambda c: c.execute(text("DROP TABLE audit_event")))
    return {}


# --- 40 to 44: files, selections, coverage --------------------------------------------------------


def csv_edited(scene: Scene) -> Facts:
    n = a_read(scene)
    rows = scene.files["events.csv"].split(b"\r\n")
    rows[n + 1] = rows[n + 1].replace(b"record.read", b"record.list")
    scene.files = scene.forger().sealed(scene.files | {"events.csv": b"\r\n".join(rows)})
    return {"n": n, "row": n + 1}


def fhir_edited(scene: Scene) -> Facts:
    n = a_read(scene)
    rows = scene.files["fhir.ndjson"].split(b"\n")
    rows[n] = rows[n].replace(b'"outcome":"0"', b'"outcome":"4"')
    scene.files = scene.forger().sealed(scene.files | {"fhir.ndjson": b"\n".join(rows)})
    return {"n": n, "row": n + 1}


def manifest_edited(scene: Scene) -> Facts:
    manifest = scene.files["manifest.json"]
    scene.files["manifest.json"] = manifest.replace(b'"made_at": "2026', b'"made_at": "2025')
    return {}


def line_omitted_and_sealed(scene: Scene) -> Facts:
    """A line of a resident's export is left out, with its proof and rows; all sealed with the stolen key."""
    files = scene.exports["resident"]
    manifest = json.loads(files["manifest.json"])
    count = manifest["count"]
    files |= {
        name: b"".join(row for n, row in enumerate(files[name].splitlines(keepends=True)) if n != gone)
        for name, gone in (("events.jsonl", 3), ("proofs.jsonl", 3), ("events.csv", 4), ("fhir.ndjson", 3))
    }
    kept = {name: manifest[name] for name in ("first", "last", "filter")}
    closed = json.loads(files["segments.jsonl"])["seq"]
    scene.files = scene.forger().sealed(files, **kept, count=count - 1, checkpoint=manifest["checkpoint"])
    return {"all": count, "here": count - 1, "n": closed}


def line_omitted(scene: Scene) -> Facts:
    files = scene.exports["resident"]
    rows = files["events.jsonl"].splitlines(keepends=True)
    scene.files = files | {"events.jsonl": b"".join(rows[:3] + rows[4:])}
    return {}


def verifier_swapped(scene: Scene) -> Facts:
    scene.files["verify.py"] = b'print("intact (exit 0)")\n'
    return {}


def verifier_swapped_and_sealed(scene: Scene) -> Facts:
    verifier_swapped(scene)
    scene.files = scene.forger().sealed(scene.files)
    return {}


def guide(scene: Scene) -> Facts:
    """What the auditor guide says, in one line."""
    words = " ".join((ROOT / "app" / "audit" / "AUDITORS.md").read_text(encoding="utf-8").split())
    scene.told = Told(0, words)
    return {}


def trail_blocked(scene: Scene) -> Facts:
    """While the past was made, the trail took no lines for a moment; somebody read then."""
    scene.told = scene.original.blocked
    return {}
