"""What a process keeps of roles, and whom it lets act: nothing outlives a change."""

import orjson
from sqlalchemy import Connection, select, update

from app.access.agent import Grant
from app.core.errors import SessionEndedError
from app.identity.account_rows import account_state
from app.identity.organisations import role_state
from app.identity.own_session import ReadSession
from app.identity.recognising import Recogniser
from app.identity.rows import AccountRow
from app.identity.table import account, role, session
from app.vault.keyring import Keyring
from tests.support.world import Person, World

EVERYWHERE = [{"role": "carer", "home_id": None}]


def account_of(world: World, org: str) -> AccountRow:
    """Enter a carer of a whole organisation and return their row."""
    carer = world.person(org=org, assignments=EVERYWHERE, signed_in=False)
    row = next(row for row in world.rows(account) if row["id"] == carer.id)
    return AccountRow(**{name: row[name] for name in AccountRow._fields})


def let_carers(world: World, connection: Connection, keyring: Keyring, org: str, category: str) -> None:
    """Change an organisation's carers to who reads one category and nothing else, as the service would."""
    where = (role.c.org == org) & (role.c.name == "carer")
    row = connection.execute(select(role).where(where)).one()
    matrix = orjson.dumps({"records": {category: ["read"]}, "system": []}).decode()
    columns = {**row._mapping, "permissions": matrix}
    del columns["state"]
    state = role_state(keyring.organisation(connection, org, world.now), columns.values())
    connection.execute(update(role).where(where).values(permissions=matrix, state=state))


def read_with(grants: tuple[Grant, ...]) -> list[set[str]]:
    return [set(grant.may) for grant in grants]


def test_a_changed_matrix_is_another_set_of_grants(world):
    """At a newer version of the matrix the same assignments give what the roles give by then."""
    row, recogniser = account_of(world, world.org), Recogniser(world.keyring)

    def look(connection: Connection) -> list[list[set[str]]]:
        found = []
        for version, category in ((1, "diet"), (2, "allergy")):
            let_carers(world, connection, world.keyring, world.org, category)
            found.append(read_with(recogniser.grants(connection, version, row, None, world.now)))
        return found

    assert [[{"diet:read"}], [{"allergy:read"}]] == world.looking(look)


def test_the_same_assignments_in_another_organisation_are_another_set_of_grants(world):
    """What a role gives in one organisation is nothing to who holds a role of that name in another."""
    orgs = (world.org, world.found("Other Care"))
    rows, recogniser = [account_of(world, org) for org in orgs], Recogniser(world.keyring)
    assert rows[0].assignments == rows[1].assignments

    def look(connection: Connection) -> list[list[set[str]]]:
        for org, category in zip(orgs, ("diet", "allergy"), strict=True):
            let_carers(world, connection, world.keyring, org, category)
        return [read_with(recogniser.grants(connection, 1, row, None, world.now)) for row in rows]

    assert [[{"diet:read"}], [{"allergy:read"}]] == world.looking(look)


def let_be_inactive(world: World, connection: Connection, person: Person) -> None:
    """Make an account inactive, in a row that fits its digest, and leave its sessions alive."""
    columns = [account.c[name] for name in AccountRow._fields]
    where, at = account.c.id == person.id, world.now
    row = AccountRow._make(connection.execute(select(*columns).where(where)).one())._replace(active=False)
    org = world.keyring.organisation(connection, row.org, at)
    state = account_state(world.keyring.state_key(org, row.org, row.id, row.wrapped_key, at), row)
    connection.execute(update(account).where(where).values(active=False, state=state))


def test_a_session_left_alive_under_an_inactive_account_is_refused(each_world):
    """Nobody acts whose account is inactive by now, whatever became of their sessions."""
    world = each_world
    carer = world.person("carer")
    world.answer(ReadSession(), "GET /v1/sessions/current", carer)

    world.looking(lambda connection: let_be_inactive(world, connection, carer))
    refused = world.refusal(ReadSession(), "GET /v1/sessions/current", carer)

    assert [None] == [row["ended_at"] for row in world.rows(session)]
    assert (SessionEndedError, "user-inactive") == (type(refused), refused.why)
    assert ("deny", "user-inactive") == (world.entry()["out"], world.entry()["why"])
