"""Whose certificates are believed when messages are sent. Needs nothing but the standard library."""

import ssl
from pathlib import Path

from app.core.errors import StartRefusedError


def trusted(authorities: Path | None) -> ssl.SSLContext:
    """Return the settings of TLS: the system's authorities, and those of a file.

    Args:
        authorities: Further certificate authorities (PEM): a provider's own.

    Raises:
        StartRefusedError: The file cannot be read as certificates.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if authorities is not None:
        try:
            context.load_verify_locations(authorities)
        except OSError as error:  # ssl.SSLError is one
            raise StartRefusedError(
                f"CARETRAIL_WEBHOOKS_CA names {authorities}, which cannot be read as certificates"
                f" ({type(error).__name__})"
            ) from error
    return context
