"""Signatures as Standard Webhooks has them, held against its published vector and its own library."""

import json
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

import app.webhooks
from app.core.entropy import SystemEntropy
from app.webhooks.signing import new_secret, read_secret, signature, signed_headers

# The vector of the specification's own test suites.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, TIMESTAMP, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_published_vector_is_met():
    """Secret, id, timestamp and body of the specification give its signature."""
    assert SIGNATURE == signature(SECRET, ID, TIMESTAMP, BODY)


def test_an_independent_library_verifies_what_is_signed():
    """A receiver's library takes id, timestamp and body as they are sent, and nothing else."""
    secret, now = new_secret(SystemEntropy()), datetime.now(UTC)
    body = b'{"type":"webhook.test","data":{}}'
    headers = signed_headers([secret], "0190-some-id", now, body)

    assert json.loads(body) == Webhook(secret).verify(body, headers)
    for changed in (
        headers | {"webhook-id": "0190-another"},
        headers | {"webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)},
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body, changed)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body + b" ", headers)


def test_two_secrets_make_two_signatures_either_of_which_suffices():
    """While a secret is replaced a receiver verifies with whichever of the two it has."""
    old, new, other = (new_secret(SystemEntropy()) for _ in range(3))
    headers = signed_headers([new, old], "id", datetime.now(UTC), b"{}")

    assert 2 == len(headers["webhook-signature"].split(" "))
    assert [{}, {}] == [Webhook(secret).verify(b"{}", headers) for secret in (old, new)]
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify(b"{}", headers)


def test_a_secret_has_32_random_bytes():
    """No two secrets are the same, and each is within the 24 to 64 bytes of the specification."""
    secrets = [new_secret(SystemEntropy()) for _ in range(100)]

    assert 100 == len(set(secrets))
    assert {32} == {len(read_secret(secret)) for secret in secrets}


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_AAAA", "whsec_!", SECRET[6:], "whsec_" + "A" * 88])
def test_a_secret_of_another_shape_or_size_is_refused(secret):
    """Without its prefix, with other letters, shorter than 24 bytes or longer than 64, nothing is signed."""
    with pytest.raises(ValueError, match=r"secret|base64"):
        read_secret(secret)


def test_the_example_of_the_guide_verifies():
    """What the receiver's guide prints verifies real messages, and refuses others and late ones."""
    guide = (Path(app.webhooks.__file__).parent / "README.md").read_text(encoding="utf-8")
    code = textwrap.dedent(guide.split("```python\n")[1].split("```")[0])
    given: dict[str, Any] = {}
    exec(code, given)
    verified, secrets = given["verified"], [new_secret(SystemEntropy()) for _ in range(2)]
    now = datetime.now(UTC)
    headers = signed_headers(secrets, "id", now, b"{}")

    assert [True, True] == [verified(secret, headers, b"{}") for secret in secrets]
    assert not verified(secrets[0], headers, b"{ }")
    assert not verified(new_secret(SystemEntropy()), headers, b"{}")
    assert not verified(secrets[0], signed_headers(secrets, "id", now - timedelta(hours=1), b"{}"), b"{}")
