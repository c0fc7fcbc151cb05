"""The sample provider: invented people, made through the same door as everybody.

What there is stands in `sample-provider.json`; here it becomes homes, residents, records, users and
shifts, each with its entry in the trail.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import resources
from typing import Any

from app.access.opened import Opened
from app.access.operations import operation
from app.access.work import Answer, Work
from app.commands.calling import present
from app.core.clock import spell
from app.core.identifiers import SYSTEM
from app.identity.assignments import UserKind, parse_assignments
from app.identity.defaults import DEFAULT_ROLES
from app.identity.homes import OpenHome
from app.identity.new_accounts import create_account
from app.identity.organisations import CREATE_ORGANISATION, FoundOrganisation
from app.identity.own_credentials import new_initial_password
from app.identity.passwords import PasswordHashes
from app.identity.shift_rows import NewShift
from app.identity.shifts import CreateShift
from app.identity.totp import new_secret
from app.main import Service
from app.residents.admission import AdmitResident
from app.residents.bodies import dump, parse_body
from app.residents.identity import parse_identifiers, parse_identity
from app.residents.recording import MakeRecord

COMMAND = "caretrail demo"
AGENCY = "Sample Staffing"
SHIFT_BEGAN = timedelta(hours=1)
SHIFT_LASTS = timedelta(hours=13)
_WHOLE_ORGANISATION = ("registered_manager", "privacy_officer", "auditor", "it_admin")
_NAMED_RESIDENTS = "visiting_professional"
_VISITED = 2

Plain = dict[str, Any]


@dataclass
class MakeSampleUser(Work):
    """Make a user who can sign in at once: password chosen, authenticator set up."""

    username: str
    display_name: str
    kind: UserKind
    assignments: list[Plain]
    password_hash: str
    totp_secret: str
    changes = True
    alone = True

    def perform(self, opened: Opened) -> Answer:
        """Write the account."""
        _, shown = create_account(
            opened,
            username=self.username,
            display_name=self.display_name,
            kind=self.kind,
            assignments=parse_assignments(self.assignments),
            password_hash=self.password_hash,
            password_change_required=False,
            totp_secret=self.totp_secret,
        )
        return Answer(shown)


def described() -> Plain:
    """Return what there is to be made."""
    text = resources.files("app.commands").joinpath("sample-provider.json").read_text("utf-8")
    plain: Plain = json.loads(text)
    return plain


class SampleMaker:
    """Makes one organisation after another."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._hashes = PasswordHashes(service.entropy)

    def organisation(self, plan: Plain, prefix: str) -> Plain:
        """Make an organisation; return what `demo.json` says of it. `prefix` begins its user names."""
        made = present(self._service, SYSTEM, CREATE_ORGANISATION, FoundOrganisation(plan["name"]), COMMAND)
        org = made["id"]
        homes = [self._home(org, home) for home in plan["homes"]]
        told = {
            "organisation_id": org,
            "homes": [{"id": home["id"], "name": home["name"]} for home in homes],
            "verifier_key": self._service.notary.vkeys(org)[0],
            "users": [self._user(org, homes[0], person, prefix) for person in plan["users"]],
        }
        for person in plan.get("users_of_second_home", ()):
            second = told.setdefault("users_of_second_home", [])
            second.append(self._user(org, homes[1], person, f"{prefix}2"))
        return told

    def renew_shift(self, org: str, user: Plain) -> None:
        """Give an agency user a shift that runs now."""
        at = self._service.clock.now()
        when = NewShift(spell(at - SHIFT_BEGAN), spell(at - SHIFT_BEGAN + SHIFT_LASTS), AGENCY)
        work = CreateShift(user["id"], user["home_id"], user["role"], when)
        self._do(org, "POST", "/v1/users/{user_id}/shifts", work)
        user["shift_ends_at"] = when.ends_at

    def _home(self, org: str, plan: Plain) -> Plain:
        home: Plain = self._do(org, "POST", "/v1/homes", OpenHome(plan["name"], None, None))
        residents = [self._resident(org, home["id"], resident) for resident in plan["residents"]]
        return home | {"residents": residents}

    def _resident(self, org: str, home_id: str, plan: Plain) -> str:
        identity = dump(parse_identity(plan["identity"]))
        today = self._service.clock.now().date()
        identifiers = dump(parse_identifiers(plan["identifiers"], today))
        admitted = AdmitResident(
            home_id, plan["unit"], plan["room"], identity, identifiers, plan["admitted_on"]
        )
        resident: str = self._do(org, "POST", "/v1/residents", admitted)["id"]
        ids: dict[str, str] = {}
        for record in plan["records"]:
            made = self._record(org, resident, record, ids)
            if "key" in record:
                ids[f"${record['key']}"] = made
        return resident

    def _record(self, org: str, resident: str, plan: Plain, ids: dict[str, str]) -> str:
        occurred = spell(self._service.clock.now() - timedelta(hours=plan["hours_ago"]))
        known = ids | {"$occurred_at": occurred}
        body = {k: known.get(v, v) if isinstance(v, str) else v for k, v in plan["body"].items()}
        category = plan["category"]
        work = MakeRecord(resident, category, occurred, dump(parse_body(category, body)))
        record: Plain = self._do(org, "POST", "/v1/residents/{resident_id}/records", work)
        return str(record["id"])

    def _user(self, org: str, home: Plain, person: Plain, prefix: str) -> Plain:
        role = person["role"]
        home_id = None if role in _WHOLE_ORGANISATION else home["id"]
        assignment: Plain = {"role": role, "home_id": home_id}
        if role == _NAMED_RESIDENTS:
            assignment["resident_ids"] = home["residents"][:_VISITED]
        user: Plain = {
            "username": f"{prefix}.{role}",
            "password": new_initial_password(self._service.entropy),
            "totp_secret": new_secret(self._service.entropy),
            "role": role,
            "home_id": home_id,
            "display_name": person["display_name"],
        }
        kind: UserKind = "agency" if DEFAULT_ROLES[role]["user_kind"] == "agency" else "staff"
        hashed = self._hashes.hash(user["password"])
        work = MakeSampleUser(
            user["username"], user["display_name"], kind, [assignment], hashed, user["totp_secret"]
        )
        user["id"] = self._do(org, "POST", "/v1/users", work)["id"]
        if kind == "agency":
            self.renew_shift(org, user)
        return user

    def _do(self, org: str, method: str, path: str, work: Work) -> Any:
        return present(self._service, org, operation(method, path), work, COMMAND)


def ended(user: Plain, at: datetime) -> bool:
    """Say whether the shift a sample user was given is over, or will be within the hour."""
    return "shift_ends_at" in user and str(user["shift_ends_at"]) <= spell(at + SHIFT_BEGAN)
