"""`caretrail serve`: the server, and what it refuses to be."""

import errno
import gc
import os
import signal
import socket
import ssl
from collections.abc import Callable
from ipaddress import ip_address
from types import FrameType
from typing import Any

import uvicorn

from app.commands.connections import raise_descriptors
from app.commands.opening import assembled, open_service
from app.commands.protocol import BoundedProtocol
from app.commands.recurring import while_serving
from app.commands.starting import begin, hand_down
from app.commands.supervising import Refused, Start, supervise
from app.commands.usable import refuse_unusable
from app.core.errors import StartRefusedError
from app.core.garbage import seldom
from app.core.logs import logger
from app.core.settings import Settings, variable_of
from app.jobs.one_by_one import Waiting
from app.jobs.scheduler import Job
from app.main import Recurring, Service, desk
from app.serving import http

DRAIN_S = 20
"""How long answers under way may take after the service was told to stop."""
IDLE_S = 30
"""How long a connection may stay open without a request."""
BACKLOG = 2048


def serve(**chosen: Any) -> None:
    """Serve until told to stop.

    Raises:
        StartRefusedError: The service will not run like this.
    """
    hand_down(**chosen)
    run(begin())


def run(settings: Settings, told: Callable[[], None] = lambda: None) -> None:
    """Serve with these settings, which workers find in the environment; `told` is called once they answer."""
    refuse_exposed(settings)
    refuse_workers(settings)
    refuse_unusable(settings)
    raise_descriptors()
    if settings.tls_cert is not None:
        tls_context(settings)  # a refusal is told here, once
    several = {"workers": settings.workers} if settings.workers > 1 else {}

    def answering() -> None:
        logger.info("serving", extra={"host": settings.host, "port": settings.port} | several)
        told()

    if settings.workers == 1:
        _alone(settings, answering)
        return
    with open_service(settings):
        pass  # a refusal is told once and here, not by a worker
    supervise(
        "app.commands.serving:worker", lambda start: _config(settings, start), _listen(settings), answering
    )


def _alone(settings: Settings, answering: Callable[[], None]) -> None:
    refusals: list[StartRefusedError] = []
    service = assembled(settings)
    config = _config(settings, http(service, desk(service), _telling(refusals.append)))
    server = _Server(config, answering)
    try:
        server.run([_listen(settings)])
    except SystemExit as ended:  # without a word, whatever it was
        raise next(iter(refusals), ended) from None
    if server.interrupted:  # the loop may have ended before it raised this itself
        raise KeyboardInterrupt
    if server.lifespan.should_exit:  # something could not be closed in order; the log says so
        raise SystemExit(1)


def worker(refused: Refused) -> Any:
    """Return the ASGI application of one worker process, from the environment its parent prepared."""
    service = assembled(begin(), prepared=True)
    freeze()
    return http(service, desk(service), _telling(refused))


def _telling(refused: Refused) -> Recurring:
    """Return the jobs of a serving process; one that is refused is told, as the server would not."""

    def jobs(service: Service, sign: Callable[[], None], visit: Waiting) -> tuple[Job, ...]:
        try:
            return while_serving(service, sign, visit)
        except StartRefusedError as error:
            refused(error)
            raise

    return jobs


def freeze() -> None:
    """Take what a started service holds out of the collector's sight, and let it look seldom."""
    gc.collect()
    gc.freeze()
    seldom()


# --- refusals ---------------------------------------------------------------------------------------


def refuse_exposed(settings: Settings) -> None:
    """Refuse to send records unprotected.

    Raises:
        StartRefusedError: Plain HTTP, not on loopback and not behind a declared TLS proxy; or half of TLS.
    """
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise StartRefusedError("TLS wants both a certificate (--tls-cert) and its key (--tls-key)")
    if settings.tls_cert is None and not settings.behind_tls_proxy and not _is_loopback(settings.host):
        raise StartRefusedError(
            f"plain HTTP is served on this machine only, not at {settings.host}: give --tls-cert and"
            f" --tls-key, or set {variable_of('behind_tls_proxy')}=true if a proxy in front ends TLS and is"
            " the only way in"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def refuse_workers(settings: Settings) -> None:
    """Refuse several processes on SQLite, whose one writer they would only wait for."""
    if settings.workers > 1 and settings.database_url.get_secret_value().startswith("sqlite"):
        raise StartRefusedError("several workers want PostgreSQL: SQLite has one writer. Use --workers 1.")


def tls_context(settings: Settings) -> ssl.SSLContext:
    """Return the server's side of TLS 1.2 or newer.

    Raises:
        StartRefusedError: Certificate or key cannot be read or do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(str(settings.tls_cert), str(settings.tls_key), password=_no_password)
    except (OSError, ssl.SSLError) as error:
        raise StartRefusedError(
            f"the TLS certificate {settings.tls_cert} and its key cannot be used ({type(error).__name__}):"
            " PEM files that belong together are wanted, the key without a password"
        ) from error
    return context


def _no_password() -> str:
    """Answer OpenSSL, which would otherwise ask at the terminal and wait."""
    return ""


# --- the server ---------------------------------------------------------------------------------------


class _Server(uvicorn.Server):
    """A server that says when it answers, and that ends in order, with 0, when it is told to by SIGTERM."""

    def __init__(self, config: uvicorn.Config, answering: Callable[[], None]) -> None:
        super().__init__(config)
        self._answering = answering
        self.interrupted = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End in order. Only a Ctrl-C is left to uvicorn: what it took note of it raises again at the end."""
        if sig == signal.SIGTERM:
            self.should_exit = True
            return
        self.interrupted = True
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell."""
        await super().startup(sockets)
        freeze()
        self._answering()


def _config(settings: Settings, app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        factory=isinstance(app, Start),
        workers=settings.workers,
        lifespan="on",
        loop="app.commands.event_loop:Loop",
        http=BoundedProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=settings.behind_tls_proxy,
        forwarded_allow_ips=settings.forwarded_allow_ips,
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=DRAIN_S,
        backlog=BACKLOG,
        ssl_context_factory=_from_settings if settings.tls_cert is not None else None,
    )


def _from_settings(_config: uvicorn.Config, _default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """Return the context in a worker: a context cannot be handed to another process."""
    return tls_context(begin())


def _listen(settings: Settings) -> socket.socket:
    """Return a listening socket, or refuse with what to do, or the system's reason."""
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        where = f"cannot listen at {settings.host} port {settings.port}"
        raise StartRefusedError(f"{where}: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    """Return why nothing listens, in words that Python has not repeated the address in."""
    if error.errno == errno.EADDRINUSE:
        return "another program does. Stop it, or choose another port with --port."
    if isinstance(error, socket.gaierror) or error.errno is None:
        return str(error.strerror or error)
    return os.strerror(error.errno)
