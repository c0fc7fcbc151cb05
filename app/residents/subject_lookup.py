"""Finding residents' ids for people who read the trail but no records."""

from dataclasses import dataclass

from app.access.agent import Place
from app.access.opened import Opened
from app.access.policy import allowed_at
from app.access.work import Answer, Work
from app.residents.reach import residents_within
from app.residents.register import found
from app.residents.rows import ResidentRow


@dataclass
class SubjectLookup(Work):
    """Find ids by NHS number, or by family name with or without date of birth.

    The answer holds ids and nothing else, of residents at places whose trail the caller may read.
    """

    nhs_number: str | None = None
    family_name: str | None = None
    date_of_birth: str | None = None

    def perform(self, opened: Opened) -> Answer:
        """Return the ids of who was found; nothing of them is unsealed."""

        def may(row: ResidentRow) -> bool:
            return allowed_at(opened.agent, "audit:read", Place(row.home_id, row.unit, row.id))

        reached = residents_within(opened.agent, ["audit:read"])
        rows = found(opened, reached, may, self.nhs_number, self.family_name, self.date_of_birth)
        ids = [row.id for row in rows]
        opened.discloses(*ids, count=len(ids))
        opened.concerns(*(row.home_id for row in rows))
        return Answer({"resident_ids": ids})
