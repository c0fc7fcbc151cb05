"""The tables of recurring jobs: when each is due, who holds it, and every run there was lately."""

from sqlalchemy import Index, Table

from app.storage.base import (
    digest,
    identifier,
    instant,
    metadata,
    number,
    organisation_key,
    word,
)

job = Table(
    "job",
    metadata,
    organisation_key(),
    word("name", key=True),
    word("cron"),
    instant("due_at"),
    identifier("run_id", nullable=True),
    instant("leased_until", nullable=True),
    comment="recurring jobs: when each is due, and the run that holds it until its lease ends",
)

job_run = Table(
    "job_run",
    metadata,
    organisation_key(),
    identifier("id", key=True),
    word("job"),
    instant("due_at"),
    instant("started_at"),
    word("runner"),
    number("missed"),
    instant("ended_at", nullable=True),
    word("outcome", nullable=True),
    word("result"),
    digest("state", nullable=True),
    comment="every run of a job, also failed and lost ones; the entry of its end has the row's digest",
)
Index("ix_job_run_org_job_ended_at", job_run.c.org, job_run.c.job, job_run.c.ended_at, job_run.c.id)
