"""The shapes of containments, and of what is asked about scopes."""

from typing import Annotated, Literal

from pydantic import Field

from app.http.shapes import Answered, GivenId, Moment, Uuid
from app.incidents.scope import Selection
from app.residents.texts import Body, Instant, Paragraph

MOST_IDS = 100
Ids = Annotated[list[Annotated[GivenId, Field(min_length=1)]], Field(max_length=MOST_IDS)]
Devices = Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(max_length=MOST_IDS)]
"""Devices are called what their clients call them, in the case they use."""
Source = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class ScopeIn(Body):
    """Which entries of the trail an incident is about: a period, and whose."""

    from_: Annotated[Instant, Field(alias="from")]
    to: Instant | None = None
    user_ids: Ids = Field(default_factory=list)
    session_ids: Ids = Field(default_factory=list)
    device_ids: Devices = Field(default_factory=list)
    resident_ids: Ids = Field(default_factory=list)
    sources: Annotated[list[Source], Field(max_length=MOST_IDS)] = Field(default_factory=list)

    def selection(self) -> Selection:
        """Return it as the fold takes it."""
        return Selection(
            self.from_,
            self.to,
            tuple(self.user_ids),
            tuple(self.session_ids),
            tuple(self.device_ids),
            tuple(self.resident_ids),
            tuple(self.sources),
        )


class ContainmentIn(Body):
    """What is to be shut, in one call."""

    user_ids: Ids = Field(default_factory=list)
    end_sessions: bool = False
    deactivate: bool = False
    freeze_exports: Literal["none", "users", "organisation"] = "none"
    reason: Paragraph


class ContainmentOut(Answered):
    """What was shut because of an incident. `done`: what was done to anybody; nothing of whom was shut."""

    id: Uuid
    incident_id: Uuid
    user_ids: list[Uuid]
    done: list[Literal["end_sessions", "deactivate"]]
    freeze_exports: Literal["none", "users", "organisation"]
    status: Literal["done", "in_force", "lifted"]
    reason: str
    made_by: Uuid
    made_at: Moment
    lifted_by: Uuid | None
    lifted_at: Moment | None
    lift_reason: str | None


class ShutOut(Answered):
    """What was done to one person: how many of their sessions ended, and whether their account did."""

    user_id: Uuid
    sessions_ended: int
    deactivated: bool


class ContainedOut(ContainmentOut):
    """What was shut just now, person by person. There are no keys of integrations to be revoked yet."""

    users: list[ShutOut]
    integration_keys: int


class LiftIn(Body):
    """Why a freeze ends."""

    reason: Paragraph


class LiftedOut(Answered):
    """The freezes that were ended."""

    incident_id: Uuid
    lifted: list[Uuid]
