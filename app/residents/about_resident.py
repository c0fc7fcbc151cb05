"""What works about one resident ask for, where no permission decides but that the record is still there."""

from dataclasses import dataclass
from datetime import datetime

from app.access.agent import Agent
from app.access.operation import Operation
from app.access.policy import Question
from app.access.work import Facts, Work
from app.residents.rows import ResidentRow


@dataclass
class AboutResident(Work):
    """A change about one resident, in a turn of its own. One entered in error is there for it, too."""

    resident_id: str
    changes = True
    alone = True

    def asked(self) -> tuple[str, str | None]:
        """Return the resident as asked."""
        return "resident", self.resident_id

    def question(self, _operation: Operation, _agent: Agent, facts: Facts, _at: datetime) -> Question:
        """Want a resident who is not erased."""
        row: ResidentRow | None = facts.resident
        return Question(missing=row is None or row.erased)
