"""A fake of the Transit engine of OpenBao or Vault: its real HTTP API over TLS, and its ways to fail.

    with TransitServer(folder) as server:
        ... server.settings() ...
        server.mode = "sealed"

It seals with AES-256-GCM under keys of its own, checks associated data, tokens and AppRoles, and keeps count.
"""

import base64
import contextlib
import json
import os
import secrets
import socket
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.unit.commands.certificates import write_certificate

Failing = Literal["sealed", "standby", "limited", "broken", "slow", "dripping", "cut", "noise", "endless"]
Mode = Literal["well", "another", "forged"] | Failing
REFUSED: dict[str, tuple[int, list[str]]] = {
    "sealed": (503, ["Vault is sealed"]),
    "limited": (429, ["request path: rate limit quota exceeded"]),
    "broken": (500, ["internal error"]),
}
ROLE, SECRET = "role-of-the-service", "secret-id-of-the-service"


class TransitServer:
    """The server, in threads of this process.

    Attributes:
        mode: How it behaves.
        tokens: Those that are let in.
        keys: By name, the versions of each key.
        asked: How often each operation was asked for.
        poured: How many bytes of answers without end were taken.
    """

    def __init__(self, folder: Path, *names: str, ended: bool = False) -> None:
        """Take a folder for its files, the names of its keys, and whether its certificate has ended."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.mode: Mode = "well"
        self.poured = 0
        self.gone = True
        self.tokens: set[str] = set()
        self.keys: dict[str, list[bytes]] = {
            name: [secrets.token_bytes(32)] for name in names or ("caretrail",)
        }
        self.asked: dict[str, int] = {}
        self._certificate, key = write_certificate(folder, days=-1 if ended else 1)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self._certificate, key)
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.new_token()

    # --- running ------------------------------------------------------------------------------

    def start(self) -> None:
        """Listen, at the port it had before if it had one."""
        self.gone = False
        handler = type("Bound", (_Handler,), {"transit": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), handler)
        self._server.daemon_threads = True
        self._server.socket = self._context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Listen no more."""
        self.gone = True
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- who is let in ------------------------------------------------------------------------

    @property
    def token_file(self) -> Path:
        """Return where a token is that is let in, unless it was taken back."""
        return self.folder / "token"

    def new_token(self) -> None:
        """Let in another token from now on, and put it into the file, as an agent does."""
        self.tokens = {secrets.token_urlsafe()}
        _write_private(self.token_file, next(iter(self.tokens)))

    def settings(self, *, approle: bool = False) -> dict[str, str]:
        """Return the settings of a service that uses it, without their prefix."""
        given = {
            "transit_address": f"https://localhost:{self.port}",
            "transit_ca": str(self._certificate),
            "transit_timeout_s": "1.0",
        }
        if not approle:
            return given | {"transit_token_path": str(self.token_file)}
        _write_private(self.folder / "secret-id", SECRET)
        return given | {
            "transit_role_id": ROLE,
            "transit_secret_id_path": str(self.folder / "secret-id"),
        }

    # --- the engine ---------------------------------------------------------------------------

    def rotate(self, name: str = "caretrail") -> None:
        """Make another version of a key."""
        self.keys[name].append(secrets.token_bytes(32))

    def encrypt(self, name: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to `encrypt`."""
        versions, nonce = self.keys[name], os.urandom(12)
        plain, bound = (base64.b64decode(asked.get(one, "")) for one in ("plaintext", "associated_data"))
        sealed = base64.b64encode(nonce + AESGCM(versions[-1]).encrypt(nonce, plain, bound)).decode()
        return {"ciphertext": f"vault:v{len(versions)}:{sealed}", "key_version": len(versions)}

    def decrypt(self, name: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to `decrypt`; forged where that is the mode."""
        if self.mode in ("another", "forged"):
            length = 32 if self.mode == "another" else 5
            return {"plaintext": base64.b64encode(os.urandom(length)).decode()}
        said, version, sealed = str(asked["ciphertext"]).split(":")
        if (said, version[:1]) != ("vault", "v"):
            raise ValueError(said)
        box, bound = (
            base64.b64decode(sealed, validate=True),
            base64.b64decode(asked.get("associated_data", "")),
        )
        plain = AESGCM(self.keys[name][int(version[1:]) - 1]).decrypt(box[:12], box[12:], bound)
        return {"plaintext": base64.b64encode(plain).decode()}


class _Handler(BaseHTTPRequestHandler):
    """One request of the API."""

    transit: ClassVar[TransitServer]
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_POST(self) -> None:
        """Answer, or fail as the mode says."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        mode = "cut" if self.transit.gone else self.transit.mode
        self._count(self.path.strip("/").split("/")[2])
        if mode == "cut":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        elif mode == "slow":
            time.sleep(4)
            self.close_connection = True
        elif mode == "dripping":
            self._drip()
        elif mode == "endless":
            self._pour()
        elif mode == "standby":
            self.send_response(307)
            self.send_header("Location", f"https://localhost:{self.transit.port}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif mode == "noise":
            self._send(200, b"<html>a proxy's page</html>")
        elif mode in REFUSED:
            status, errors = REFUSED[mode]
            self._tell(status, {"errors": errors})
        else:
            self._tell(*self._answer(json.loads(body or b"{}")))

    do_PUT = do_POST

    def _answer(self, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        match self.path.strip("/").split("/"):
            case ["v1", "auth", "approle", "login"]:
                return self._log_in(asked)
            case ["v1", "transit", ("encrypt" | "decrypt") as what, name]:
                return self._use(what, name, asked)
        return 404, {"errors": ["no handler for route"]}

    def _log_in(self, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if (asked.get("role_id"), asked.get("secret_id")) != (ROLE, SECRET):
            return 400, {"errors": ["invalid role or secret ID"]}
        token = secrets.token_urlsafe()
        self.transit.tokens.add(token)
        return 200, {"auth": {"client_token": token, "lease_duration": 60, "renewable": True}}

    def _use(self, what: str, name: str, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if self.headers.get("X-Vault-Token") not in self.transit.tokens:
            return 403, {"errors": ["permission denied"]}
        if name not in self.transit.keys:
            return 400, {"errors": ["encryption key not found"]}
        try:
            return 200, {"data": getattr(self.transit, what)(name, asked), "warnings": None}
        except (InvalidTag, ValueError, IndexError):
            return 400, {"errors": ["cipher: message authentication failed"]}

    def _count(self, what: str) -> None:
        self.transit.asked[what] = self.transit.asked.get(what, 0) + 1

    def _tell(self, status: int, told: dict[str, Any]) -> None:
        self._send(status, json.dumps(told).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _drip(self) -> None:
        """Send a byte now and then: no single wait is long, all of them are."""
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        for _ in range(20):
            self.wfile.write(b" ")
            time.sleep(0.2)
        self.close_connection = True

    def _pour(self) -> None:
        """Send 64 MB to whoever takes them, and count what was taken."""
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        with contextlib.suppress(OSError):
            for _ in range(1000):
                self.wfile.write(b" " * 65_536)
                self.transit.poured += 65_536

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text + "\n")
