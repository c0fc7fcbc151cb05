"""Secrets and signatures as Standard Webhooks 1.0.0 has them: symmetric, HMAC-SHA256, version `v1`.

What is signed is `id.timestamp.body`, so that neither can be changed nor used again for another message.
While a secret is being replaced both sign, separated by a space; a receiver takes whichever it knows.

Source: standardwebhooks.com, specification 1.0.0.
"""

import base64
import binascii
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from app.core.entropy import Entropy

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32
FEWEST_BYTES, MOST_BYTES = 24, 64


def new_secret(entropy: Entropy) -> str:
    """Return a new secret in the spelling a receiver's library takes: `whsec_` and base64."""
    return PREFIX + base64.b64encode(entropy.bytes(SECRET_BYTES)).decode()


def read_secret(secret: str) -> bytes:
    """Return the key of a secret. Raises ValueError for anything of another shape or size."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("no base64") from None
    if not secret.startswith(PREFIX) or not FEWEST_BYTES <= len(key) <= MOST_BYTES:
        raise ValueError("no secret of 24 to 64 bytes")
    return key


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the signature of one secret over a message: `v1,` and base64."""
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    return "v1," + base64.b64encode(hmac.digest(read_secret(secret), signed, "sha256")).decode()


def signed_headers(secrets: Sequence[str], message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """Return the three headers of an attempt, signed by each of the secrets."""
    timestamp = int(at.timestamp())
    signatures = (signature(secret, message_id, timestamp, body) for secret in secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }
