"""`caretrail ready`: what a container's health check asks."""

import ssl
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import ip_address

from app.commands.starting import begin
from app.commands.telling import remark
from app.core.settings import Settings

PATIENCE_S = 3


def ready() -> int:
    """Return 0 if the service on this machine says that it would serve, else 1."""
    connection = _connection(begin())
    try:
        connection.request("GET", "/health/ready")
        status = connection.getresponse().status
    except (HTTPException, OSError) as error:
        remark(f"not ready ({type(error).__name__})")
        return 1
    finally:
        connection.close()
    return 0 if status == 200 else 1


def _connection(settings: Settings) -> HTTPConnection:
    host = _near(settings.host)
    if settings.tls_cert is None:
        return HTTPConnection(host, settings.port, timeout=PATIENCE_S)
    # Trust the service's own certificate and no other, whatever it is named: we ask on this machine
    context = ssl.create_default_context(cafile=str(settings.tls_cert))
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.check_hostname = False
    return HTTPSConnection(host, settings.port, timeout=PATIENCE_S, context=context)


def _near(host: str) -> str:
    """Return where this machine's service answers: on loopback if it listens everywhere."""
    try:
        listening = ip_address(host)
    except ValueError:
        return host
    if not listening.is_unspecified:
        return host
    return "127.0.0.1" if listening.version == 4 else "::1"
