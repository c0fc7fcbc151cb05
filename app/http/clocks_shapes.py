"""The shapes of an incident's clocks."""

from typing import Literal

from pydantic import Field

from app.http.shapes import Answered, Moment


class WarningOut(Answered):
    """A warning that was given because of a clock, so many hours before it is over."""

    hours: int
    counted_from: Moment
    due_at: Moment
    given_at: Moment
    late: bool


class ClockOut(Answered):
    """A clock. `assumed`: nobody said from when it counts, so it counts from when this was recorded."""

    tells: Literal["ico", "senior_management"]
    state: Literal["running", "over", "told", "told_late", "not_needed"]
    counted_from: Moment
    assumed: bool
    due_at: Moment
    seconds_left: int | None
    told_at: Moment | None
    late_seconds: int | None
    warnings: list[WarningOut] | None = None


class ClocksOut(Answered):
    """The clocks of an incident: to tell the ICO (null for a near miss), and senior management."""

    outside: ClockOut | None = Field(alias="72h")
    inside: ClockOut = Field(alias="12h")
