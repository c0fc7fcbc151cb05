"""`caretrail users add`: somebody with a role for the whole organisation, where nobody could give it.

Nobody grants what they lack. So the first user of an organisation, who manages it, makes nobody who
administers the system; whoever holds keys and database does, here.
"""

from dataclasses import asdict, dataclass

from app.access.opened import Opened
from app.access.operations import operation
from app.access.work import Answer
from app.commands.auditing import chains_of, say_which
from app.commands.calling import present, sign_what_moved
from app.commands.founding import FIRST_SIGN_IN
from app.commands.opening import open_service
from app.commands.starting import begin
from app.commands.telling import remark, result
from app.core.errors import InvalidRequestError
from app.core.identifiers import SYSTEM
from app.identity.defaults import ORGANISATION_WIDE_ONLY
from app.identity.granting import roles_of
from app.identity.new_accounts import CreateAccount
from app.identity.own_credentials import new_initial_password
from app.identity.passwords import PasswordHashes
from app.main import Service

_COMMAND = "caretrail users add"


@dataclass(frozen=True)
class Added:
    """What the operator hands over. The password is shown this once."""

    organisation_id: str
    user_id: str
    username: str
    role: str
    one_time_password: str


@dataclass
class AddUser(CreateAccount):
    """Create an account whose only role is one for the whole organisation."""

    def perform(self, opened: Opened) -> Answer:
        """Refuse every other role, then write the account as always."""
        wide = sorted(name for name, role in roles_of(opened).items() if role.may & ORGANISATION_WIDE_ONLY)
        if not {one["role"] for one in self.assignments} <= set(wide):
            raise InvalidRequestError(
                ("/role", f"Give one of {', '.join(wide)}. Other roles are given by a manager, at a home.")
            )
        return super().perform(opened)


def add(username: str, role: str, display_name: str | None, org: str | None, *, as_json: bool) -> None:
    """Make a user with a role for the whole organisation, and a one-time password.

    Raises:
        InvalidRequestError: The role is none of these, a name will not do, or there is no such organisation.
        ConflictError: The user name is taken.
    """
    with open_service(begin()) as service:
        added = _added(service, _organisation(service, org), username, role, display_name)
        sign_what_moved(service)
    _tell(added, as_json=as_json)


def _added(service: Service, org: str, username: str, role: str, display_name: str | None) -> Added:
    password = new_initial_password(service.entropy)
    work = AddUser(
        username=username,
        display_name=display_name if display_name is not None else username,
        kind="staff",
        assignments=[{"role": role, "home_id": None}],
        password_hash=PasswordHashes(service.entropy).hash(password),
        initial_password=password,
    )
    user = present(service, org, operation("POST", "/v1/users"), work, _COMMAND)
    return Added(org, user["id"], user["username"], role, password)


def _organisation(service: Service, org: str | None) -> str:
    """Return the organisation that was named, or the only one."""
    there = [chain for chain in chains_of(service, None) if chain != SYSTEM]
    if not there:
        raise InvalidRequestError(detail="there is no organisation yet: `caretrail init` makes the first")
    if org is None and len(there) > 1:
        raise InvalidRequestError(detail=say_which(there))
    if org not in (None, *there):
        raise InvalidRequestError(detail=f"there is no such organisation; there are {', '.join(there)}")
    return org or there[0]


def _tell(added: Added, *, as_json: bool) -> None:
    text = (
        f"organisation       {added.organisation_id}\n"
        f"user name          {added.username}\n"
        f"role               {added.role}\n"
        f"one-time password  {added.one_time_password}"
    )
    result(asdict(added), text, as_json=as_json)
    remark(FIRST_SIGN_IN)
