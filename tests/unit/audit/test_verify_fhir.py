"""The trail as FHIR: valid R4B, the shapes of IHE BALP, one AuditEvent for each resident, every edit found.

The model of `fhir.resources` and the list of what BALP requires, written down from its profiles, share
nothing with what they put to the test.
"""

import base64
import json
from dataclasses import replace
from functools import lru_cache

import pytest
from fhir.resources.R4B.auditevent import AuditEvent

from app.access.operations import OPERATIONS
from app.audit import verify
from tests.support.sample_export import ANN, BOB, RESIDENTS, actor, canonical, event, leaf_of
from tests.unit.audit.examining import SAMPLE, examined, kinds, with_fhir

DCM = "http://dicom.nema.org/resources/ontology/DCM"
HL7 = "http://terminology.hl7.org/CodeSystem/"
REST = (HL7 + "audit-event-type", "rest")
PROFILE = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
DATA_SOURCES = {"AUT", "INF", "CST"}
NOTE = {"t": "record", "id": "0190a000-0000-7000-8000-000000000301", "ver": 2, "cat": "daily_note"}
ACTS = sorted(
    {row.act for row in OPERATIONS.values()} | {"audit.export.end", "breakglass.start", "breakglass.end"}
)


def shown(act, *, out="ok", **more):
    """Return the AuditEvents of one entry."""
    e = event(7, act, actor=actor(ANN, 0, "registered_manager"), **more) | {"out": out}
    place = {"org": SAMPLE.org, "prev": "00" * 32, "seq": 7, "ts": "2026-03-01T10:00:00.000001Z"}
    return list(verify.fhir_events({"c": place, "e": e}, "ab" * 32, SAMPLE.names(), SAMPLE.origin))


def codes(part, name):
    """Return system and code of each coding of a concept."""
    return [(coding["system"], coding["code"]) for coding in part[name]["coding"]]


def agent(resource, system, code):
    """Return the one agent of a type."""
    [found] = [one for one in resource["agent"] if codes(one, "type") == [(system, code)]]
    return found


def entities(resource, type_, role=None):
    """Return the entities of a type and role."""
    return [
        one
        for one in resource.get("entity", [])
        if one["type"]["code"] == type_ and (role is None or one["role"]["code"] == role)
    ]


def validate(resource):
    """Hold a resource against the model, and against what the model lets pass: emptiness is not FHIR."""
    read = AuditEvent.model_validate(resource)
    assert json.loads(read.model_dump_json()).keys() == resource.keys()
    assert {"type", "recorded", "agent", "source"} <= resource.keys()
    assert all(value not in (None, "", [], {}) for value in values_in(resource))
    assert all({"type", "what"} & entity.keys() for entity in resource.get("entity", []))
    assert all(not {"name", "query"} <= entity.keys() for entity in resource.get("entity", []))  # sev-1


def values_in(value):
    """Return a JSON value and all that is in it."""
    yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from values_in(inner)


# --- valid FHIR -----------------------------------------------------------------------------------


@pytest.mark.parametrize("out", ["ok", "deny", "fail"])
@pytest.mark.parametrize("act", [*ACTS, "chain.recover", "strange"])
def test_every_kind_of_entry_is_valid_fhir(act, out):
    """An entry of any act and outcome, with everything or with nothing, is an AuditEvent of R4B."""
    change = [{"f": "text", "b": "11" * 32, "a": "22" * 32}, {"f": "mood"}]
    full = {
        "obj": NOTE,
        "subs": RESIDENTS,
        "chg": change,
        "purpose": "care",
        "dev": "t-1",
        "n": 3,
        "grant": "g",
    }
    source = {"rid": "r-1", "ip_h": "ab" * 16}
    for resource in [*shown(act, out=out, src=source, why="why", **full), *shown(act, out=out)]:
        validate(resource)
        assert resource["outcome"] == {"ok": "0", "deny": "4", "fail": "8"}[out]
        assert ("profile" in resource.get("meta", {})) <= (out == "ok")


def test_the_sample_is_valid_fhir():
    """Each line of the sample, integrations and systems among them, is valid FHIR and leads to its line."""
    rows = with_fhir(SAMPLE.files())["fhir.ndjson"].splitlines()
    for row in rows:
        validate(json.loads(row))

    told = [
        {part["url"]: part["valueString"] for part in json.loads(row)["extension"][0]["extension"]}
        for row in rows
    ]
    lines = [
        (seq, line) for seq, line in enumerate(SAMPLE.lines) for _ in json.loads(line)["e"].get("subs") or [0]
    ]
    assert told == [{"org": SAMPLE.org, "seq": str(seq), "leaf": leaf_of(line).hex()} for seq, line in lines]
    assert len({json.loads(row)["id"] for row in rows}) == len(rows) == 12


def test_an_invalid_resource_is_seen():
    """The model refuses what is not FHIR: without recorded, with an outcome or a member that there is not."""
    [honest] = shown("record.read", obj=NOTE)
    for wrong in (
        {"recorded": None},
        {"agent": []},
        {"nonsense": 1},
        {"source": {}},
        {"type": {}},
        {"action": ""},
    ):
        with pytest.raises((ValueError, AssertionError)):
            validate({**honest, **wrong})


# --- the shapes of BALP ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "profile", "subtype", "action", "client", "server", "user"),
    [
        ("record.read", "Read", "read", "R", (DCM, "110152"), (DCM, "110153"), {"IRCP"}),
        ("record.create", "Create", "create", "C", (DCM, "110153"), (DCM, "110152"), DATA_SOURCES),
        ("record.update", "Update", "update", "U", (DCM, "110153"), (DCM, "110152"), DATA_SOURCES),
        (
            "record.delete",
            "Delete",
            "delete",
            "D",
            (DCM, "110150"),
            (HL7 + "provenance-participant-type", "custodian"),
            DATA_SOURCES,
        ),
    ],
)
def test_balp_rest_profiles(act, profile, subtype, action, client, server, user):
    """Reading, creating, updating and deleting have all that their profile requires, and claim it."""
    change = [{"f": "text"}]
    [resource] = shown(act, obj=NOTE, subs=RESIDENTS[:1], src={"rid": "r", "ip_h": "ab"}, dev="t", chg=change)
    [without] = shown(act, obj=NOTE)

    assert (resource["type"]["system"], resource["type"]["code"]) == REST
    [told] = resource["subtype"]
    assert (told["system"], told["code"]) == ("http://hl7.org/fhir/restful-interaction", subtype)
    assert (resource["action"], resource["outcome"]) == (action, "0")
    for party in (agent(resource, *client), agent(resource, *server)):
        assert party["who"]
        assert party["network"]
        assert party["requestor"] is False
        assert not {"media", "role", "name", "altId", "purposeOfUse"} & party.keys()
    [asking] = [one for one in resource["agent"] if one["requestor"]]
    assert {code for _, code in codes(asking, "type")} <= user
    assert asking["who"] == {"reference": f"Practitioner/{ANN}"}
    assert not {"network", "media"} & asking.keys()
    [data] = entities(resource, "2")
    assert data["role"]["code"] == "4"
    assert data["what"]
    assert act != "record.delete" or not {"detail", "name", "query", "lifecycle"} & data.keys()
    [patient] = entities(resource, "1", "1")
    assert patient["what"] == {"reference": f"Patient/{RESIDENTS[0]}"}
    [transaction] = entities(resource, "XrequestId")
    assert transaction["what"]["identifier"]["value"] == "r"
    assert resource["meta"]["profile"] == [f"{PROFILE}Patient{profile}"]
    assert without["meta"]["profile"] == [PROFILE + profile]
    assert entities(without, "1") == []


@pytest.mark.parametrize("act", ["resident.list", "resident.search", "record.list", "audit.subject_lookup"])
def test_balp_query(act):
    """A search is E, one AuditEvent for each resident found, with a query and nothing the profile forbids."""
    found = shown(act, subs=RESIDENTS, obj={"t": "home", "id": "h"})

    assert [entities(one, "1")[0]["what"]["reference"] for one in found] == [
        f"Patient/{r}" for r in RESIDENTS
    ]
    for resource in found:
        assert (resource["action"], resource["subtype"][0]["code"]) == ("E", "search-type")
        agent(resource, DCM, "110153")
        agent(resource, DCM, "110152")
        [query] = entities(resource, "2", "24")
        assert json.loads(base64.b64decode(query["query"]))["act"] == act
        assert not {"what", "lifecycle", "detail"} & query.keys()
        assert "meta" not in resource, "the raw request is not in the trail, so nothing is claimed"


@pytest.mark.parametrize(
    ("act", "out", "type_", "subtype", "action", "outcome"),
    [
        ("auth.login", "ok", "110114", "110122", "E", "0"),
        ("auth.login", "deny", "110114", "110122", "E", "4"),
        ("auth.throttled", "deny", "110114", "110122", "E", "4"),
        ("auth.logout", "ok", "110114", "110123", "E", "0"),
        ("audit.export", "ok", "110106", "disclose", "R", "0"),
        ("audit.access_log", "ok", "110101", "read", "R", "0"),
        ("breakglass.start", "ok", "110113", "110127", "E", "0"),
        ("breakglass.end", "ok", "110113", "110138", "E", "0"),
        ("record.read", "deny", "110113", "AuthZ-Role", "E", "4"),
        ("resident.list", "deny", "110113", "AuthZ-Role", "E", "4"),
    ],
)
def test_other_events(act, out, type_, subtype, action, outcome):
    """Signing in, exports, the log itself, emergencies and refusals have DICOM's types."""
    [resource] = shown(act, out=out, obj=NOTE, subs=RESIDENTS[:1], why="because")
    told = (resource["type"], resource["subtype"][0], resource["action"], resource["outcome"])

    assert (told[0]["system"], told[0]["code"], told[1]["code"], *told[2:]) == (
        DCM,
        type_,
        subtype,
        action,
        outcome,
    )
    assert resource["outcomeDesc"] == "because"
    assert "meta" not in resource


def test_who_asked():
    """The user has roles, name and purpose; of an integration's call the person asks and the client is it."""
    [person] = shown("record.read", purpose="emergency", grant="g-1")
    vendor = {
        "v": 1,
        "id": "x",
        "act": "record.read",
        "out": "ok",
        "actor": {"id": "v-1", "kind": "integration"},
    }
    place = {"org": SAMPLE.org, "seq": 0, "ts": "2026-03-01T10:00:00.000001Z"}
    [called] = verify.fhir_events({"c": place, "e": vendor | {"for": BOB}}, "", {}, SAMPLE.origin)
    [asking] = [one for one in person["agent"] if one["requestor"]]

    assert (asking["name"], asking["role"]) == ("Ann Marlow", [{"text": "registered_manager"}])
    assert asking["purposeOfUse"][0]["coding"][0]["code"] == "ETREAT"
    assert person["purposeOfEvent"][0]["coding"][0]["code"] == "BTG"
    assert [one["who"] for one in called["agent"] if one["requestor"]] == [
        {"reference": f"Practitioner/{BOB}"}
    ]
    assert agent(called, DCM, "110152")["who"] == {"identifier": {"value": "v-1"}}
    assert "meta" not in called


# --- row 40: every edit of fhir.ndjson ------------------------------------------------------------


def test_reading_the_trail_is_no_treatment():
    """Where no purpose was told, `care` stands; of an export or a look at the trail FHIR says compliance."""

    def purpose(act, told):
        [event] = shown(act, purpose=told)
        [asking] = [one for one in event["agent"] if one["requestor"]]
        return asking["purposeOfUse"][0]["coding"][0]["code"]

    assert ("HCOMPL", "HCOMPL") == (purpose("audit.export", "care"), purpose("audit.read", "care"))
    assert ("TREAT", "HOPERAT") == (purpose("record.read", "care"), purpose("audit.read", "administration"))


def test_honest_fhir_passes():
    """An export with its honest fhir.ndjson holds, and the report says how many rows were derived again."""
    report = examined(with_fhir(SAMPLE.files()))

    assert (0, []) == (report.exit_code, report.findings)
    assert "fhir.ndjson: 12 rows are what the lines and names give" in report.checked


def test_edited_fhir_is_found_at_its_row():
    """A value of fhir.ndjson edited, all sealed anew, is found at the row and line it belongs to."""
    files = with_fhir(SAMPLE.files())
    edited = files["fhir.ndjson"].replace(b"tablet-1", b"tablet-2")
    report = examined(SAMPLE.sealed(files | {"fhir.ndjson": edited}))

    assert [("FHIR", 3)] == [(f.kind, f.seq) for f in report.findings]
    assert "FHIR #3: row 4 of fhir.ndjson differs from line #3" in report.as_text()


@pytest.mark.parametrize(
    "edit",
    [
        lambda rows: rows + b"{}\n",
        lambda rows: rows[:-1],
        lambda rows: b"".join(rows.splitlines(keepends=True)[1:]),
        lambda rows: b"".join(reversed(rows.splitlines(keepends=True))),
        lambda rows: rows.replace(b"[erased]", b"Eve Left"),
        lambda rows: rows.replace(b'{"action"', b'{ "action"'),
        lambda rows: rows.replace(b"care.example/audit", b"care.example:audit"),
        lambda rows: b"",
    ],
)
def test_any_other_fhir_is_found(edit):
    """fhir.ndjson is the one derivation, to the byte."""
    files = with_fhir(SAMPLE.files())
    edited = edit(files["fhir.ndjson"])

    assert edited != files["fhir.ndjson"]
    assert ["FHIR"] == kinds(examined(SAMPLE.sealed(files | {"fhir.ndjson": edited})))


def test_every_changed_or_cut_byte_of_fhir_is_found(monkeypatch):
    """Any byte of fhir.ndjson changed, and the file cut anywhere, is found although all is sealed anew."""
    monkeypatch.setattr(verify, "ed25519_verifies", lru_cache(verify.ed25519_verifies))
    files = with_fhir(SAMPLE.files())
    rows = files["fhir.ndjson"]
    for at in range(0, len(rows), 37):
        for other in (rows[:at] + bytes([rows[at] ^ (1 + at % 255)]) + rows[at + 1 :], rows[:at]):
            assert "FHIR" in kinds(examined(SAMPLE.sealed(files | {"fhir.ndjson": other})))


def test_hostile_lines_are_no_crash():
    """Members of other types than they have end in a finding, never in a crash."""
    for spoilt in (
        {"subs": 5},
        {"actor": "x"},
        {"chg": [1]},
        {"obj": []},
        {"src": 1},
        {"act": {}},
        {"purpose": {}},
    ):
        events = [event(0, "record.read", actor=actor(ANN, 0)) | spoilt]
        files = {"fhir.ndjson": b"{}\n"}
        report = examined(examining_sample(events, files))
        assert report.exit_code == 1


def examining_sample(events, files):
    """Return an export of other events, signed throughout."""
    sample = replace(SAMPLE, events=events, signed_sizes=(1,))
    lines = b"".join(line + b"\n" for line in sample.lines)
    return sample.sealed({"events.jsonl": lines, "checkpoints.note": sample.checkpoint(1), **files})


def test_rows_are_canonical_json():
    """A row is written in one way only, so that two programs cannot differ about it."""
    for row in with_fhir(SAMPLE.files())["fhir.ndjson"].splitlines():
        assert canonical(json.loads(row)) == row
