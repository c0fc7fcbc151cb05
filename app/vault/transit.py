"""The root key in the Transit engine of OpenBao or Vault. Nothing else here imports `hvac`.

Transit seals with a key that never leaves it. Its log-in is a token in a file, which an agent may replace at
any time, or an AppRole whose secret id is in a file. A token that is refused is fetched anew, once a call.
Nothing is followed elsewhere: a standby that points to another server would be sent the token.

Source: VAULT-1 (ASVS 5.0 13.3.3).
"""

import base64
import binascii
import io
import os
import ssl
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import hvac
import requests
from hvac import exceptions
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from app.core.clock import monotonic
from app.vault.away import NO_ANSWER, KeeperAwayError

MOST_BYTES = 8192
MOST_ANSWERED = 1 << 16
"""How long an answer may be, in bytes: a sealed key and its headings are some hundred."""
_NO_KEY = "key not found"
_KINDS: dict[type[Exception], str] = {
    exceptions.VaultDown: "it is sealed, or not ready",
    exceptions.InternalServerError: "it has a fault of its own (500)",
    exceptions.RateLimitExceeded: "it is asked too often",
    exceptions.InvalidPath: "there is no Transit engine at this place",
    requests.ConnectionError: "there is no connection to it",
}
_REFUSED = "this service is not let in: its token or its policy does not do (403)"
_OWN, _LENT = 0o077, 0o037
"""Which rights on a file with a token are too many: on one of this user's own, on one of somebody else's."""


class TransitSettings(NamedTuple):
    """Where a Transit engine is, and how this service is let in.

    Attributes:
        address: `https://...`.
        mount: Where the engine is mounted.
        key: The name of the key.
        namespace: Of a server that has several.
        ca: A file of certificates to trust; None for the system's.
        token_file: Holds a token.
        role_id: Of an AppRole, instead of a token.
        secret_id_file: Holds its secret id.
        timeout_s: How long a server may be silent.
    """

    address: str
    mount: str
    key: str
    namespace: str | None
    ca: Path | None
    token_file: Path | None
    role_id: str | None
    secret_id_file: Path | None
    timeout_s: float


class _Bounded(HTTPAdapter):
    """Reads no more of an answer, and no longer, than an honest one takes: whoever waits for it gives up."""

    def __init__(self, within_s: float) -> None:
        super().__init__()
        self._within_s = within_s

    def send(self, *given: Any, **named: Any) -> requests.Response:
        """Send a request, and read its answer whole.

        Raises:
            requests.RequestException: There is none, or it is too long, or does not end in time.
        """
        response = super().send(*given, **(named | {"stream": True}))
        read, until = bytearray(), monotonic() + self._within_s
        with closing(response):
            while piece := self._next(response):
                read += piece
                if len(read) > MOST_ANSWERED or monotonic() > until:
                    raise requests.exceptions.ContentDecodingError
        response.raw = io.BytesIO(bytes(read))
        return response

    def _next(self, response: requests.Response) -> bytes:
        try:
            return bytes(response.raw.read1(MOST_ANSWERED, decode_content=True))
        except HTTPError as error:
            raise requests.ConnectionError from error


class Transit:
    """A key of a Transit engine."""

    def __init__(self, settings: TransitSettings) -> None:
        self._settings = settings
        self.name = f"{settings.mount}/{settings.key}"
        session = requests.Session()
        session.trust_env = False  # no proxy, no .netrc, no other certificates than those that were named
        session.mount("https://", _Bounded(settings.timeout_s))
        session.mount("http://", _Bounded(settings.timeout_s))
        session.verify = str(settings.ca) if settings.ca is not None else True
        self._client = hvac.Client(
            url=settings.address,
            session=session,
            timeout=settings.timeout_s,
            allow_redirects=False,
            namespace=settings.namespace,
        )
        self._client.token = None  # not the one of the environment or of a person's home

    def encrypt(self, plain: bytes, bound: bytes) -> bytes:
        """Return `plain` sealed.

        Raises:
            KeeperAwayError: There is no answer, or a refusal.
        """
        try:
            answer = self._ask("encrypt_data", plaintext=_coded(plain), associated_data=_coded(bound))
        except exceptions.InvalidRequest as refused:
            raise KeeperAwayError("it does not seal with this key") from refused
        sealed = answer.get("ciphertext")
        if not isinstance(sealed, str) or not sealed.isascii():
            raise KeeperAwayError("the answer is none of a Transit engine")
        return sealed.encode()

    def decrypt(self, sealed: bytes, bound: bytes) -> bytes | None:
        """Return what was sealed; None if it was not sealed so by this key.

        Raises:
            KeeperAwayError: There is no answer, or a refusal.
        """
        try:
            answer = self._ask(
                "decrypt_data", ciphertext=sealed.decode("ascii", "replace"), associated_data=_coded(bound)
            )
        except exceptions.InvalidRequest as refused:
            if _NO_KEY in str(refused):
                raise KeeperAwayError("there is no such key") from refused
            return None
        try:
            return base64.b64decode(answer.get("plaintext", ""), validate=True)
        except (binascii.Error, ValueError, TypeError) as error:
            raise KeeperAwayError("the answer is none of a Transit engine") from error

    # --- calls --------------------------------------------------------------------------------

    def _ask(self, what: str, **given: str) -> dict[str, Any]:
        call = getattr(self._client.secrets.transit, what)

        def ask() -> Any:
            return call(name=self._settings.key, mount_point=self._settings.mount, **given)

        if self._client.token is None:
            self._log_in()
        try:
            answer = _called(ask)
        except exceptions.Forbidden:
            self._log_in()  # the token is over, or another is in its place
            answer = _called(ask, final=True)
        data = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(data, dict):
            raise KeeperAwayError("the answer is none of a Transit engine")
        return data

    def _log_in(self) -> None:
        self._client.token = None
        role, secret_file = self._settings.role_id, self._settings.secret_id_file
        if role is None or secret_file is None:
            self._client.token = _private(self._settings.token_file)
            return
        secret = _private(secret_file)
        try:
            answer = _called(
                lambda: self._client.auth.approle.login(role, secret, use_token=False), final=True
            )
        except exceptions.InvalidRequest as refused:
            raise KeeperAwayError("it takes neither this role nor its secret id (400)") from refused
        token = answer.get("auth", {}).get("client_token") if isinstance(answer, dict) else None
        if not isinstance(token, str):
            raise KeeperAwayError("the AppRole was given no token")
        self._client.token = token


def _called(call: Callable[[], Any], *, final: bool = False) -> Any:
    """Return what a call returns. What it failed for is told by its kind, never in the server's words."""
    try:
        return call()
    except exceptions.InvalidRequest:
        raise
    except exceptions.Forbidden as refused:
        if final:
            raise KeeperAwayError(_REFUSED) from refused
        raise
    except requests.exceptions.SSLError as failed:
        raise KeeperAwayError(_untrusted(failed)) from failed
    except requests.Timeout as failed:
        raise KeeperAwayError(NO_ANSWER) from failed
    except (exceptions.VaultError, requests.RequestException) as failed:
        raise KeeperAwayError(_KINDS.get(type(failed), type(failed).__name__)) from failed


def _untrusted(failed: BaseException) -> str:
    """Return why no TLS connection came about; what is wrong with a certificate, in OpenSSL's words."""
    cause: BaseException | None = failed
    seen: set[int] = set()
    while cause is not None and id(cause) not in seen:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not accepted ({cause.verify_message.rstrip('.')})"
        seen.add(id(cause))
        cause = getattr(cause, "reason", None) or cause.__cause__ or cause.__context__
    return "no TLS connection to it comes about"


def _private(path: Path | None) -> str:
    """Return what stands in a file that only its owner may read, or whom that owner lent it to.

    Who reads a file of somebody else's - a credential of systemd, one that is `root:caretrail` 0640 - does so
    by its group, or by a list that shows as one.
    """
    if path is None:
        raise KeeperAwayError("no token is set")
    try:
        with path.open("rb") as file:
            seen, data = os.fstat(file.fileno()), file.read(MOST_BYTES)
    except OSError as error:
        raise KeeperAwayError(f"{path} cannot be read") from error
    others = _OWN if seen.st_uid == os.geteuid() else _LENT
    if stat.S_IMODE(seen.st_mode) & others:
        raise KeeperAwayError(f"{path} can be used by others (mode {stat.S_IMODE(seen.st_mode):04o})")
    return data.decode("ascii", "replace").strip()


def _coded(data: bytes) -> str:
    return base64.b64encode(data).decode()
