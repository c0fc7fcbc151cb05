"""Incidents, their assessments, who was told, and what is to be done."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_23_04"
down_revision = "2026_11_23_03"
branch_labels = None
depends_on = None


def _text(length: int | None = None):
    if length is None:
        return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def _word(name, *, nullable=False):
    return sa.Column(name, _text(), nullable=nullable)


def _id(name, *, nullable=False):
    return sa.Column(name, _text(36), nullable=nullable)


def _instant(name, *, nullable=False):
    return sa.Column(name, _text(27), nullable=nullable)


def _number(name, *, nullable=False):
    return sa.Column(name, sa.Integer(), nullable=nullable)


def _sealed(name, *, nullable=False):
    return sa.Column(name, sa.LargeBinary(), nullable=nullable)


def _table(name, *columns, comment):
    op.create_table(
        name,
        _id("org"),
        _id("id"),
        *columns,
        _number("version"),
        sa.Column("state", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("org", "id", name=f"pk_{name}"),
        comment=comment,
    )


def _of_incident(name, *columns, comment):
    _table(name, _id("incident_id"), *columns, comment=comment)
    op.create_index(f"ix_{name}_org_incident_id", name, ["org", "incident_id"])


def upgrade() -> None:
    _table(
        "incident",
        _id("home_id", nullable=True),
        _word("nature"),
        _word("kind"),
        _word("status"),
        _instant("opened_at"),
        _id("opened_by"),
        _instant("occurred_at", nullable=True),
        _instant("ended_at", nullable=True),
        _instant("detected_at", nullable=True),
        _instant("became_aware_at", nullable=True),
        _word("ongoing"),
        _word("system_fault"),
        _word("confidentiality"),
        _word("integrity"),
        _word("availability"),
        _word("categories"),
        _number("people_affected", nullable=True),
        _word("alerts"),
        _word("concerned"),
        _sealed("texts"),
        _word("decision", nullable=True),
        _instant("ico_told_at", nullable=True),
        _instant("management_told_at", nullable=True),
        _instant("closed_at", nullable=True),
        _id("closed_by", nullable=True),
        comment="breaches and near misses; home_id of none: the whole organisation; categories, alerts and"
        " concerned (whose behaviour it is) are JSON lists; texts = sealed JSON",
    )
    op.create_index("ix_incident_org_opened_at", "incident", ["org", "opened_at", "id"])
    _of_incident(
        "incident_history",
        _word("what"),
        _instant("was", nullable=True),
        _instant("became", nullable=True),
        _sealed("reason", nullable=True),
        _id("by"),
        _instant("at"),
        comment="instants corrected, closed, opened again: what was known when; never changed, never removed",
    )
    _of_incident(
        "incident_assessment",
        _word("edition"),
        _number("likelihood"),
        _number("impact"),
        _word("vulnerable"),
        _word("special"),
        _number("counted_likelihood"),
        _number("counted_impact"),
        _word("proposal"),
        _word("decision", nullable=True),
        _sealed("reasons"),
        _id("by"),
        _instant("at"),
        comment="every scoring on the two-axis grid: what was proposed, what a person decided, and why",
    )
    _of_incident(
        "incident_notification",
        _word("recipient"),
        _instant("told_at"),
        _number("people", nullable=True),
        _sealed("texts"),
        _id("replaced_by", nullable=True),
        _id("by"),
        _instant("at"),
        comment="who was told when; texts = sealed JSON: told by whom, reference, reasons for delay",
    )
    _of_incident(
        "incident_action",
        _id("owner_id", nullable=True),
        _word("due_on", nullable=True),
        _sealed("what"),
        _id("by"),
        _instant("at"),
        _instant("done_at", nullable=True),
        _id("done_by", nullable=True),
        _sealed("outcome", nullable=True),
        comment="what is to be done about an incident, by whom and by when",
    )
    _of_incident(
        "incident_warning",
        _word("clock"),
        _number("mark"),
        _instant("counted_from"),
        _instant("due_at"),
        _instant("given_at"),
        comment="each warning of a clock that was given, once for each instant the clock was counted from",
    )
    op.create_index(
        "uq_incident_warning_clock",
        "incident_warning",
        ["org", "incident_id", "clock", "mark", "counted_from"],
        unique=True,
    )
    if op.get_bind().dialect.name == "postgresql":
        changing = ("incident", "incident_notification", "incident_action")
        growing = ("incident_history", "incident_assessment", "incident_warning")
        for table in (*changing, *growing):
            op.execute(f"REVOKE ALL ON {table} FROM PUBLIC, caretrail_service")
        for table in changing:
            op.execute(f"GRANT SELECT, INSERT, UPDATE ON {table} TO caretrail_service")
        for table in growing:
            op.execute(f"GRANT SELECT, INSERT ON {table} TO caretrail_service")


def downgrade() -> None:
    raise RuntimeError("refused: what was recorded of breaches would be lost")
