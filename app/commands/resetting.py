"""`caretrail users reset`: let somebody back in with a new one-time password."""

from dataclasses import asdict, dataclass

from app.commands.calling import present, sign_what_moved
from app.commands.opening import open_service
from app.commands.reasons import check_reason, check_text
from app.commands.starting import begin
from app.commands.telling import remark, result
from app.core.identifiers import SYSTEM
from app.identity.own_credentials import new_initial_password
from app.identity.passwords import PasswordHashes
from app.identity.resetting import RESET, FindAccount, ResetAccount

_COMMAND = "caretrail users reset"


@dataclass(frozen=True)
class Reset:
    """What the operator hands over. The password is shown this once."""

    user_id: str
    username: str
    one_time_password: str


def reset(username: str, reason: str, *, reactivate: bool, as_json: bool) -> None:
    """Give a user a new one-time password, without an authenticator, active.

    Raises:
        InvalidRequestError: There is no reason, or what was given is no text.
        NotFoundError: There is no such user.
        ConflictError: The user was deactivated, and `reactivate` does not say that this is to end.
    """
    check_reason(reason)
    check_text(username)
    with open_service(begin()) as service:
        org, user_id = present(service, SYSTEM, RESET, FindAccount(username), _COMMAND)
        password = new_initial_password(service.entropy)
        hashed = PasswordHashes(service.entropy).hash(password)
        work = ResetAccount(user_id, hashed, reason.strip(), reactivate)
        user = present(service, org, RESET, work, _COMMAND)
        sign_what_moved(service)
    told = Reset(user["id"], user["username"], password)
    result(
        asdict(told), f"user name          {told.username}\none-time password  {password}", as_json=as_json
    )
    remark("It works once: whoever signs in with it chooses a password and sets up an authenticator.")
