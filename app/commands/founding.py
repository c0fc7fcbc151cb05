"""`caretrail init` and `caretrail organisation add`: the first keys, the first provider, its first user."""

from dataclasses import asdict, dataclass

from sqlalchemy import Connection, inspect, select

from app.access.opened import Opened
from app.access.operations import operation
from app.access.work import Answer, Work
from app.audit import log as trail
from app.commands.calling import present, sign_what_moved
from app.commands.opening import away_told, engine_at, open_service, refuse_lost, refuse_lost_file
from app.commands.starting import begin
from app.commands.telling import remark, result
from app.core.clock import SystemClock
from app.core.entropy import SystemEntropy
from app.core.errors import ConflictError, InvalidRequestError, StartRefusedError
from app.core.identifiers import SYSTEM
from app.core.settings import Settings
from app.identity.account_rows import account_named, username_index
from app.identity.new_accounts import USERNAME_TAKEN, CreateAccount, check_display_name
from app.identity.organisations import CREATE_ORGANISATION, FoundOrganisation
from app.identity.own_credentials import new_initial_password
from app.identity.passwords import PasswordHashes
from app.identity.table import organisation
from app.identity.usernames import normalise_username
from app.main import Service
from app.storage.guard import carrying
from app.storage.migration import migrate
from app.storage.schema import damage_told, refuse_powerful_role, refuse_unknown_schema
from app.vault.keepers import root_in_use
from app.vault.keyring import Keyring
from app.vault.provider import ROOT_KEY, SIGNING_KEY, FileKeys
from app.vault.table import key_check

FIRST_SIGN_IN = "Sign in with the one-time password, choose your own, then set up an authenticator."
FIRST_ROLE = "registered_manager"


@dataclass(frozen=True)
class Founded:
    """What the operator has to write down. The password is shown this once."""

    organisation_id: str
    username: str
    one_time_password: str
    verifier_key: str


def init(name: str, admin: str, *, as_json: bool) -> None:
    """Make the keys and the first organisation with its first user.

    Raises:
        StartRefusedError: There is an organisation already.
        InvalidRequestError: A name will not do; nothing is made then.
    """
    _check_names(name, admin)
    settings = begin()
    found_deployment(settings)
    with open_service(settings) as service:
        with service.engine.connect() as connection, carrying(connection, "init"):
            if connection.execute(select(organisation.c.id).limit(1)).first() is not None:
                raise StartRefusedError(
                    "there is an organisation already: `caretrail organisation add` makes another"
                )
        founded = found_organisation(service, name, admin, command="caretrail init")
    _tell(founded, as_json=as_json)
    remark(f"Keep a copy of {settings.keys_dir} elsewhere: without it nothing can ever be read again.")


def add_organisation(name: str, admin: str, *, as_json: bool) -> None:
    """Make another organisation, with a chain, keys and a first user of its own.

    Raises:
        InvalidRequestError: A name will not do.
    """
    _check_names(name, admin)
    with open_service(begin()) as service:
        founded = found_organisation(service, name, admin, command="caretrail organisation add")
    _tell(founded, as_json=as_json)


def _check_names(name: str, admin: str) -> None:
    """Refuse names that cannot be read, by the options they were given with."""
    for option, given, check in (
        ("--organisation", name, check_display_name),
        ("--admin", admin, normalise_username),
    ):
        try:
            check(given)
        except InvalidRequestError as refused:
            raise InvalidRequestError(*((option, fault) for _, fault in refused.errors)) from refused


def _tell(founded: Founded, *, as_json: bool) -> None:
    text = (
        f"organisation       {founded.organisation_id}\n"
        f"user name          {founded.username}\n"
        f"one-time password  {founded.one_time_password}\n"
        f"verifier key       {founded.verifier_key}"
    )
    result(asdict(founded), text, as_json=as_json)
    remark(f"{FIRST_SIGN_IN}\nGive the verifier key to whoever will check exports.")


def found_deployment(settings: Settings) -> None:
    """Make the keys and bind the database to them. What a broken-off run made is taken up, never made anew.

    Raises:
        StartRefusedError: The schema is missing or unknown, or the database cannot be used, or is of other
            keys, or there was another one, which the guard knows: neither tables nor keys are made then.
    """
    refuse_lost_file(settings)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with away_told(), engine_at(settings.database_url.get_secret_value()) as engine:
        with damage_told(), engine.connect() as connection:
            if not _is_bound(connection):  # before tables are made in another one's place
                refuse_lost(settings, "there is nothing in the database")
        if engine.dialect.name == "sqlite":
            migrate(engine)  # the file is its owner's and the service's alike
        with engine.begin() as connection:
            refuse_unknown_schema(connection)
            refuse_powerful_role(connection)
            if not _is_bound(connection):
                _bind(connection, settings)


def _is_bound(connection: Connection) -> bool:
    """Say whether a database belongs to keys. It may have no tables yet."""
    there = inspect(connection).has_table(key_check.name)
    return there and connection.execute(select(key_check.c.name)).first() is not None


def _bind(connection: Connection, settings: Settings) -> None:
    settings.keys_dir.mkdir(parents=True, exist_ok=True)
    keys, entropy = FileKeys(settings.keys_dir), SystemEntropy()
    for key in (ROOT_KEY, SIGNING_KEY) if settings.keys_provider == "file" else (SIGNING_KEY,):
        if not keys.exists(key):
            keys.create(key, entropy)
    # A crash here leaves keys without a database: the next run binds the database to them.
    at = SystemClock().now()
    Keyring(root_in_use(settings, entropy), entropy).found(connection, at)
    trail.found(connection, SYSTEM, at)


@dataclass
class NameIsFree(Work):
    """Find out, before an organisation is made, whether its first user can have the name."""

    admin: str
    silent = True

    def perform(self, opened: Opened) -> Answer:
        """Refuse a user name that is taken."""
        if account_named(opened, username_index(opened, normalise_username(self.admin))) is not None:
            raise ConflictError(USERNAME_TAKEN, why="username-taken")
        return Answer()


def found_organisation(service: Service, name: str, admin: str, *, command: str) -> Founded:
    """Make an organisation and its first user, who manages all of it; two visits, two entries."""
    present(service, SYSTEM, CREATE_ORGANISATION, NameIsFree(admin), command)
    made = present(service, SYSTEM, CREATE_ORGANISATION, FoundOrganisation(name.strip()), command)
    password = new_initial_password(service.entropy)
    first = CreateAccount(
        username=admin,
        display_name=admin,
        kind="staff",
        assignments=[{"role": FIRST_ROLE, "home_id": None}],
        password_hash=PasswordHashes(service.entropy).hash(password),
        initial_password=password,
    )
    user = present(service, made["id"], operation("POST", "/v1/users"), first, command)
    sign_what_moved(service)
    return Founded(made["id"], user["username"], password, service.notary.vkeys(made["id"])[0])
