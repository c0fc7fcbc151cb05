"""`audit verify --state`: whatever is done to a row behind the service's back is told, both ways."""

import os

import pytest
from sqlalchemy import text

from app.access.door import share_a_turn
from app.access.visit import System
from app.core.clock import SystemClock
from app.exchange.fhir import plan
from app.exchange.importing import IMPORT, ImportBundle
from app.identity.account_rows import account_state
from app.identity.rows import AccountRow
from app.residents.table import record
from app.trail import state_check
from app.vault.keyring import Keyring
from app.vault.sealing import Place
from tests.support import cast
from tests.support.histories import Playwright
from tests.support.playing import Memory, Player
from tests.unit.exchange.expected import CASES
from tests.unit.trail.state_scene import ALL_TABLES, Scene, compare, household


@pytest.fixture
def scene(any_world) -> Scene:
    """A household on each database."""
    return household(any_world)


def count(scene: Scene, table: str) -> int:
    query = text(f"SELECT count(*) FROM {table}")
    return scene.world.looking(lambda c: c.execute(query).scalar_one())


def test_an_untouched_database_is_not_accused(scene):
    """Of rows that only the service wrote nothing is told, and it is said how many were compared."""
    report = scene.report()
    rows = sum(count(scene, table) for table in ALL_TABLES)

    assert [] == report.findings
    assert any(text.startswith(f"{rows} rows are what their entries say") for text in report.checked)
    assert 33 == rows


CHANGED = {
    "a record": ("record", "note", "category = 'diet'", "record note", 3),
    "who wrote a record": ("record", "plain", "author = 'system:cli-'", "record plain", 1),
    "a record put back as right": ("record", "wrong", "deleted = (1 = 0)", "record wrong", 2),
    "a digest": ("record", "plain", "state = body", "record plain", 1),
    "where a resident lives": ("resident", "ada", "unit = 'West'", "resident ada", 2),
    "a password": ("account", "agency", "password_hash = 'mine'", "user agency", 2),
    "an assignment": ("account", "manager", "assignments = '[]'", "user manager", 1),
    "the end of a shift": ("shift", "shift", "ends_at = '2027-03-02T16:00:00.000000Z'", "shift shift", 2),
    "a home": ("home", "home", "name = 'Elsewhere'", "home home", 1),
}


@pytest.mark.parametrize("what", CHANGED)
def test_a_row_changed_behind_the_services_back_is_told(scene, what):
    """An UPDATE past the door differs from the newest entry of that row (rows 21 and 27 of the matrix)."""
    table, name, change, shown, version = CHANGED[what]
    scene.tamper(f"UPDATE {table} SET {change} WHERE id = :{name}")
    seq = scene.last(shown.split()[0], name)

    assert [f"STATE: {shown}: row differs from entry #{seq}, version {version}"] == scene.told()


def test_a_permission_given_past_the_door_is_told(scene):
    """A role whose permissions were widened differs from the entry that made it (row 27)."""
    scene.tamper("UPDATE role SET permissions = replace(permissions, 'read', 'write') WHERE name = 'kitchen'")
    seq = scene.last("role", "kitchen")

    assert [f"STATE: role kitchen: row differs from entry #{seq}, version 1"] == scene.told()


BACK = {
    "record note": ("record", "note", 3),
    "resident ada": ("resident", "ada", 2),
    "user agency": ("account", "agency", 2),
    "shift shift": ("shift", "shift", 2),
}


@pytest.mark.parametrize("what", BACK)
def test_a_row_set_back_is_told(scene, what):
    """A row put back whole, with the digest it once had, is behind its newest entry (row 22)."""
    table, name, version = BACK[what]
    scene.set_back(table, name)
    seq = scene.last(what.split()[0], name)
    told = f"row was set back to version {version - 1}, the chain says {version} (entry #{seq})"

    assert f"STATE: {what}: {told}" in scene.told()


def test_a_row_ahead_of_its_chain_is_told(scene):
    """A row with a version that no entry made is told."""
    scene.tamper("UPDATE record SET version = 9 WHERE id = :plain")
    seq = scene.last("record", "plain")

    assert [f"STATE: record plain: row is at version 9, the chain says 1 (entry #{seq})"] == scene.told()


@pytest.mark.parametrize(
    ("table", "name", "shown", "version"),
    [("record", "note", "record", 3), ("shift", "shift", "shift", 2), ("account", "agency", "user", 2)],
)
def test_a_row_deleted_is_missed(scene, table, name, shown, version):
    """A DELETE past the door is missed, because no entry ever deletes a row (row 23)."""
    scene.tamper(f"DELETE FROM {table} WHERE id = :{name}")
    seq = scene.last(shown, name)

    told = f"STATE: {shown} {name}: row missing, no entry deletes it (entry #{seq}, version {version})"
    assert [told] == scene.told()


def test_a_deleted_resident_is_missed_once(scene):
    """A resident's row that is gone is told of; its records are not accused for it."""
    scene.tamper("DELETE FROM resident WHERE id = :bob")
    seq = scene.last("resident", "bob")

    told = f"STATE: resident bob: row missing, no entry deletes it (entry #{seq}, version 1)"
    assert [told] == scene.told()


def test_a_checker_that_looks_one_way_only_misses_a_deletion(scene, monkeypatch):
    """From rows to entries alone nothing contradicts a deletion: the way back is what finds it."""
    scene.tamper("DELETE FROM shift WHERE id = :shift")
    assert 1 == len(scene.told())
    monkeypatch.setattr(state_check.RowCheck, "finish", lambda _self: None)

    assert [] == scene.told()


COPIES = {
    "record": "org, resident_id, :new, category, about, occurred_at, occurred_at_estimated, recorded_at,"
    " recorded_by, first_recorded_at, author, late, body, medication_id, source_index, source_digest, source,"
    " deleted, version, state FROM record WHERE id = :plain",
    "shift": "org, :new, user_id, home_id, role, agency, starts_at, ends_at, cancelled, version, state"
    " FROM shift WHERE id = :shift",
    "role": "org, :new, about, user_kind, permissions, version, state FROM role WHERE name = 'auditor'",
}


@pytest.mark.parametrize("table", COPIES)
def test_a_row_inserted_is_told(scene, table):
    """A row that no entry makes is told (row 24)."""
    scene.tamper(f"INSERT INTO {table} SELECT {COPIES[table]}", new="01a20000-0000-7000-8000-000000000000")

    told = "01a20000-0000-7000-8000-000000000000: row without an entry: no entry makes it"
    assert [f"STATE: {table} {told}"] == scene.told()


@pytest.mark.parametrize(("one", "two"), [("plain", "other"), ("plain", "note")])
def test_swapped_bodies_are_told_of_both_rows(scene, one, two):
    """The sealed body of one record in the row of another is told of both (row 25)."""
    bodies = {name: scene.row("record", name)["body"] for name in (one, two)}
    scene.tamper(f"UPDATE record SET body = :body WHERE id = :{one}", body=bodies[two])
    scene.tamper(f"UPDATE record SET body = :body WHERE id = :{two}", body=bodies[one])

    assert sorted([one, two]) == [told.split()[2].rstrip(":") for told in scene.told()]
    assert all(": row differs from entry #" in told for told in scene.told())


VERSIONS = {"body": ("body = recorded_by", 1), "time": ("recorded_at = occurred_at", 2)}


@pytest.mark.parametrize("what", VERSIONS)
def test_an_earlier_version_that_was_changed_is_told(any_world, what):
    """Each version kept is bound to the entry that made it, not only the newest."""
    scene = household(any_world)
    change, version = VERSIONS[what]
    if any_world.engine.dialect.name == "postgresql":
        change = change.replace("body = recorded_by", "body = reverse(encode(body, 'hex'))::bytea")
    scene.tamper(f"UPDATE record_version SET {change} WHERE record_id = :note AND version = {version}")
    (told,) = scene.told()

    assert told.startswith("STATE: record note: the version kept differs from entry #")
    assert told.endswith(f", version {version}")


def test_versions_are_contiguous_and_go_up_to_the_newest(scene):
    """A version taken out of the middle, the newest, or all of them, is missed."""
    other, wrong = scene.last("record", "other"), scene.last("record", "wrong")
    scene.tamper(
        "DELETE FROM record_version WHERE record_id = :note AND version = 2",
        "DELETE FROM record_version WHERE record_id = :wrong AND version = 2",
        "DELETE FROM record_version WHERE record_id = :other",
    )

    assert [
        "STATE: record note: earlier version 2 is missing, version 3 follows",
        f"STATE: record other: earlier versions missing, no entry deletes it (entry #{other}, version 1)",
        f"STATE: record wrong: version 2 of entry #{wrong} is not among those kept",
    ] == scene.told()


def test_a_resident_hidden_from_a_search_is_told(scene):
    """The blind indexes a resident and an account are found by are those of what is sealed in the row."""
    scene.tamper("UPDATE resident SET family_index = state WHERE id = :bob")
    scene.tamper("UPDATE account SET username_index = state WHERE id = :agency")

    assert [
        "STATE: resident bob: the resident is found under another name, number or date of birth than theirs",
        "STATE: user agency: the account is found under another user name than it has",
    ] == scene.told()


def test_a_name_that_is_not_the_chains_is_told(scene):
    """Whoever holds the keys and renames a person in the table alone is told of; no name is (row 26)."""
    world, row = scene.world, scene.row("account", "manager")
    keyring = Keyring(world._root, world.entropy)
    organisation = world.looking(lambda c: keyring.organisation(c, world.org, world.now))
    key = organisation.unwrap(row["wrapped_key"], Place(world.org, row["id"], row["id"], "key", 1))
    place = Place(world.org, row["id"], row["id"], "profile", 1)
    forged = key.seal_json(key.unseal_json(row["profile"], place) | {"display_name": "Forged Name"}, place)
    account = AccountRow(**{name: row[name] for name in AccountRow._fields})._replace(profile=forged)
    state = account_state(key, account)
    scene.tamper("UPDATE account SET profile = :p, state = :s WHERE id = :manager", p=forged, s=state)
    told = scene.told()

    seq = row["name_seq"]
    name = f"IDENTITY: user manager: the name in the table is not the chain's (#{seq}); exports use the chain"
    assert [name, f"STATE: user manager: row differs from entry #{seq - 1}, version 1"] == told
    assert "Forged" not in compare(world).as_text() + compare(world).as_json()


def test_a_name_kept_beside_the_chain_that_is_another_is_told(scene):
    """A row that points to an older name, or a name box that is gone, is told."""
    now, before = scene.row("account", "agency")["name_seq"], scene.row("account", "manager")["name_seq"]
    scene.tamper("UPDATE account SET name_seq = :seq WHERE id = :agency", seq=before)
    assert [
        f"IDENTITY: user agency: the row points to entry #{before}, the chain's is #{now}"
    ] == scene.told()
    scene.tamper("UPDATE account SET name_seq = :seq WHERE id = :agency", seq=now)
    if scene.world.engine.dialect.name == "sqlite":
        scene.tamper("DROP TRIGGER audit_name_delete")
    scene.tamper("DELETE FROM audit_name WHERE seq = :seq", seq=now)

    told = f"the name sealed beside entry #{now} is missing or does not open"
    assert [f"IDENTITY: user agency: {told}"] == scene.told()


def test_rows_of_an_organisation_without_a_chain_are_told(scene):
    """A row under an organisation nobody founded has no key and no chain to vouch for it."""
    scene.tamper("UPDATE home SET org = 'nobody' WHERE id = :home")
    report = compare(scene.world)
    (strange,) = [c for c in report.chains if c.organisation == "nobody"]

    assert 1 == report.exit_code
    assert [
        "STATE: the organisation's key does not open (organisation-key-missing): no row can be compared"
    ] == [str(found) for found in strange.findings]


def test_another_root_key_accuses_nobody(scene):
    """With the wrong root key nothing can be compared, and nobody is accused for that."""
    scene.world._root = bytes(32)
    report = compare(scene.world)

    assert [] == [found for chain in report.chains for found in chain.findings]
    assert state_check.WRONG_ROOT == report.unreadable


def test_many_findings_are_counted(scene, monkeypatch):
    """Of a table changed throughout, some rows are told of and the others counted."""
    monkeypatch.setattr(state_check, "MOST_TOLD", 2)
    scene.tamper("UPDATE role SET about = 'x'")

    assert ["STATE: 13 mor", *["STATE: role a"] * 2] == [told[:13] for told in scene.told()]


def test_what_an_import_wrote_is_not_accused(any_world):
    """Every resident and record of an import, with its sealed original, is bound to an entry of its own."""
    made = plan(CASES[0].bundle(), SystemClock().now())
    any_world.answer(ImportBundle(made, any_world.home), IMPORT, System("cli", any_world.org))
    report = compare(any_world)

    assert [] == [found for chain in report.chains for found in chain.findings]
    assert len(any_world.rows(record)) > 3


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_random_histories_are_not_accused(database, request, tmp_path):
    """Whatever 64 people of every role do and are refused, no row is accused for it."""
    if database == "sqlite":
        original, seeds = cast.on_sqlite(tmp_path), (1, 2, 3)
    else:
        superuser = request.getfixturevalue("postgresql_url")
        original, seeds = cast.on_postgresql(superuser, f"state_{os.getpid()}"), (4, 5)
    changed = 0
    for seed in seeds:
        world = original.copy()
        batches = Playwright(original.cast, seed).write(200)
        played = Player(world, original.cast, Memory()).in_turns(batches, share_a_turn)
        report = compare(world)
        world.close()

        assert [] == [found for chain in report.chains for found in chain.findings], seed
        changed += sum(row["version"] > 1 for row in played.tables["record"])
    assert changed > 10
