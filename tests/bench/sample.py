"""The sample provider: 45 members of staff on duty, 2,000 residents, one daily note of 2 KB each.

Residents and notes go through the door, as the service itself would write them. Accounts and sessions
are inserted: the benchmark signs nobody in, it measures what happens afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import insert

from app.access.operations import OPERATIONS
from app.access.visit import System, Visit, Visited
from app.access.work import Work
from app.audit import log as trail
from app.core.clock import SystemClock, spell
from app.core.entropy import SystemEntropy
from app.core.identifiers import SYSTEM, new_id
from app.core.settings import Settings
from app.identity.account_rows import account_state
from app.identity.homes import OpenHome
from app.identity.organisations import CREATE_ORGANISATION, FoundOrganisation
from app.identity.rows import AccountRow
from app.identity.table import account, session
from app.identity.tokens import TokenSigner
from app.main import Service, assemble
from app.residents.admission import AdmitResident
from app.residents.recording import MakeRecord
from app.storage.engine import open_engine
from app.storage.guard import carrying
from app.vault.keyring import Keyring
from app.vault.provider import ROOT_KEY, SIGNING_KEY, FileKeys
from tests.bench.plain_model import rows_of

STAFF = 45
RESIDENTS = 2000
ROLES = ("nurse", "senior_carer", "deputy_manager")
IDLE_S = 3600  # activity is then written every 90 s; a run pauses a side for longer than ten minutes
AT_ONCE = 64
FAMILIES = ("Ashdown", "Birtles", "Calder", "Dunmore", "Ellwood", "Fairley", "Garside", "Hebden")
NOTE = "Slept well, ate half of breakfast, walked to the garden with one person, spoke to her daughter. "


@dataclass
class Sample:
    """What the load generator needs: who asks for which record, and what a note is about."""

    org: str
    occurred_at: str
    records: list[tuple[str, str, str]] = field(default_factory=list)
    shown: list[dict[str, Any]] = field(default_factory=list)

    def for_load(self) -> dict[str, Any]:
        """Return what is handed to the generator."""
        return {"records": self.records, "occurred_at": self.occurred_at}

    def plain_rows(self) -> list[dict[str, Any]]:
        """Return the same records for the plain application."""
        return rows_of(self.shown)


def found(settings: Settings) -> None:
    """Make keys and the system's chain in a migrated, empty database."""
    entropy = SystemEntropy()
    keys = FileKeys(settings.keys_dir)
    for name in (ROOT_KEY, SIGNING_KEY):
        keys.create(name, entropy)
    engine = open_engine(settings.database_url.get_secret_value())
    at = SystemClock().now()
    with engine.connect() as connection, carrying(connection, "bench"), connection.begin():
        Keyring(keys.secret(ROOT_KEY), entropy).found(connection, at)
        trail.found(connection, SYSTEM, at)
    engine.dispose()


def fill(settings: Settings, residents_made: int) -> Sample:
    """Fill a founded database and return what the load needs."""
    service = assemble(settings)
    at = service.clock.now()
    org = _do(service, System("cli", SYSTEM), CREATE_ORGANISATION.route, [FoundOrganisation("Bench")])[0][
        "id"
    ]
    system = System("cli", org)
    homes = [
        _do(service, system, "POST /v1/homes", [OpenHome(name, None, None)])[0]["id"]
        for name in ("Hollin Bank", "Brook House")
    ]
    sample = Sample(org, spell(at - timedelta(minutes=5)))
    tokens = _staff(service, org, homes, at)
    admitted = _do(
        service,
        system,
        "POST /v1/residents",
        [_admission(n, homes[n % len(homes)], at) for n in range(residents_made)],
    )
    residents = [one["id"] for one in admitted]
    text = NOTE * (2000 // len(NOTE))
    notes = [MakeRecord(r, "daily_note", sample.occurred_at, {"text": text + r}) for r in residents]
    sample.shown = _do(service, system, "POST /v1/residents/{resident_id}/records", notes)
    for n, shown in enumerate(sample.shown):
        # the home of resident n is n % 2; so is that of member of staff 2 k + n % 2
        token = tokens[(n // 2 * 2 + n % 2) % (STAFF // 2 * 2)]
        sample.records.append((shown["resident_id"], shown["id"], token))
    service.turn.close()
    service.engine.dispose()
    return sample


def _do(service: Service, who: System, route: str, works: Sequence[Work]) -> list[Any]:
    """Have works done in turns of 64 and return their answers."""
    operation = OPERATIONS.get(route, CREATE_ORGANISATION)
    answers = []
    for start in range(0, len(works), AT_ONCE):
        visits = [Visit(who, operation, work) for work in works[start : start + AT_ONCE]]
        service.turn.serve(visits)
        for visit in visits:
            if not isinstance(visit.outcome, Visited):
                raise RuntimeError(f"the sample could not be made: {visit.outcome}")
            answers.append(visit.outcome.answer.payload)
    return answers


def _admission(n: int, home: str, at: datetime) -> AdmitResident:
    identity = {"given_name": f"Sample {n}", "family_name": FAMILIES[n % len(FAMILIES)]}
    born = {"date_of_birth": f"19{30 + n % 20}-0{1 + n % 9}-1{n % 10}"}
    admitted_on = (at.date() - timedelta(days=30 + n % 900)).isoformat()
    return AdmitResident(home, None, str(n % 90), identity, born, admitted_on)


def _staff(service: Service, org: str, homes: list[str], at: datetime) -> list[str]:
    """Insert accounts and their running sessions; return the access tokens."""
    signer = TokenSigner(service.token_seed, service.settings.deployment)
    ends = at + timedelta(hours=12)
    accounts, sessions, tokens = [], [], []
    with service.engine.connect() as connection, carrying(connection, "bench"), connection.begin():
        organisation_key = service.keyring.organisation(connection, org, at)
        for n in range(STAFF):
            user, one = new_id(), new_id()
            key, wrapped = service.keyring.new_owner(organisation_key, org, user)
            assignment = {"role": ROLES[n % len(ROLES)], "home_id": homes[n % len(homes)]}
            made = _account(service, org, user, wrapped, assignment, at)
            row = AccountRow(**{name: made[name] for name in AccountRow._fields})
            accounts.append(made | {"state": account_state(key, row)})
            sessions.append(_session(org, user, one, at, ends))
            tokens.append(signer.issue(one, org, user, at, ends))
        connection.execute(insert(account), accounts)
        connection.execute(insert(session), sessions)
    return tokens


def _account(
    service: Service, org: str, user: str, wrapped: bytes, assignment: dict[str, str], at: datetime
) -> dict[str, Any]:
    return {
        "org": org,
        "id": user,
        "kind": "staff",
        "username_index": service.entropy.bytes(32),
        "wrapped_key": wrapped,
        "profile": b"",
        "assignments": orjson.dumps([assignment]).decode(),
        "password_hash": "!",  # nobody signs in with it
        "password_change_required": False,
        "totp_secret": None,
        "totp_confirmed": True,
        "active": True,
        "created_by": "system:cli",
        "created_at": spell(at),
        "name_seq": 1,
        "version": 1,
        "state": b"",
    }


def _session(org: str, user: str, one: str, at: datetime, ends: datetime) -> dict[str, Any]:
    return {
        "id": one,
        "org": org,
        "user_id": user,
        "device_kind": "desktop",
        "device_id": None,
        "shift_id": None,
        "started_at": spell(at),
        "seen_at": spell(at),
        "ends_at": spell(ends),
        "ends_because": "lifetime",
        "idle_timeout_s": IDLE_S,
        "factor_at": spell(at),
        "locked_at": None,
        "unlock_failures": 0,
        "ended_at": None,
        "end_reason": None,
    }
