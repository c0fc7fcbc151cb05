"""The tables of webhooks: endpoints of other systems, what is to be sent to them, and what came of it."""

from sqlalchemy import Index, Table

from app.storage.base import (
    digest,
    identifier,
    instant,
    metadata,
    number,
    organisation_key,
    sealed,
    state_columns,
    word,
)

webhook = Table(
    "webhook",
    metadata,
    organisation_key(),
    identifier(key=True),
    sealed("url"),
    word("events"),
    word("status"),
    word("off_because", nullable=True),
    sealed("secret"),
    instant("secret_set_at"),
    sealed("former_secret", nullable=True),
    instant("former_until", nullable=True),
    instant("created_at"),
    *state_columns(),
    comment="endpoints; address and secrets are sealed under the organisation's key, events = JSON",
)

webhook_message = Table(
    "webhook_message",
    metadata,
    organisation_key(),
    identifier(key=True),
    identifier("webhook_id"),
    word("event"),
    word("body"),
    digest("bound"),
    instant("created_at"),
    word("status"),
    instant("due_at"),
    number("attempts"),
    number("tries"),
    identifier("lease", nullable=True),
    instant("leased_until", nullable=True),
    instant("ended_at", nullable=True),
    comment="the outbox: exact bodies, bound by a keyed digest; written with what they tell of",
)
Index("ix_webhook_message_status_due_at", webhook_message.c.status, webhook_message.c.due_at)
Index(
    "ix_webhook_message_org_webhook_id",
    webhook_message.c.org,
    webhook_message.c.webhook_id,
    webhook_message.c.id,
)
Index(
    "ix_webhook_message_ended_at",
    webhook_message.c.ended_at,
    postgresql_where=webhook_message.c.ended_at.is_not(None),
    sqlite_where=webhook_message.c.ended_at.is_not(None),
)

webhook_attempt = Table(
    "webhook_attempt",
    metadata,
    organisation_key(),
    identifier("message_id", key=True),
    number("n", key=True),
    identifier("webhook_id"),
    instant("at"),
    word("outcome"),
    number("http_status", nullable=True),
    number("took_ms"),
    digest("answer", nullable=True),
    comment="every attempt at a delivery; of the answer only its status and a digest",
)
Index(
    "ix_webhook_attempt_org_webhook_id_at",
    webhook_attempt.c.org,
    webhook_attempt.c.webhook_id,
    webhook_attempt.c.at,
)
