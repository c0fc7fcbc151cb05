"""What a check of the stored trail found: for people, for machines, and as an exit code."""

import json
from dataclasses import dataclass, field

from app.audit.schema_digest import SchemaCheck
from app.audit.verify import RESULTS, Report, shown


@dataclass
class DatabaseReport:
    """One report for each chain, one on the schema, and what kept the check from being made."""

    chains: list[Report] = field(default_factory=list)
    schema: SchemaCheck | None = None
    unreadable: str = ""

    @property
    def exit_code(self) -> int:
        """The answer as a number: 0 intact, 1 tampered, 2 cannot vouch, 3 unreadable."""
        codes = {report.exit_code for report in self.chains} | ({3} if self.unreadable else set())
        codes |= {1} if self.schema is not None and self.schema.differences else set()
        return next((code for code in (1, 3, 2) if code in codes), 0 if self.chains else 2)

    @property
    def count(self) -> int:
        """How many lines were found good."""
        return sum(report.count for report in self.chains)

    def as_json(self) -> str:
        """Return the report for machines, one line."""
        answer = {"result": RESULTS[self.exit_code], "exit_code": self.exit_code, "count": self.count}
        chains = [json.loads(report.as_json()) for report in self.chains]
        schema = self.schema._asdict() if self.schema is not None else None
        return json.dumps(answer | {"chains": chains, "schema": schema, "unreadable": self.unreadable})

    def as_text(self) -> str:
        """Return the report for people."""
        parts = [f"chain {shown(report.organisation)}\n{report.as_text()}" for report in self.chains]
        parts += [] if self.chains else ["cannot vouch: the database holds no chain"]
        parts += [] if self.schema is None else [self.schema.as_text()]
        parts += [f"unreadable: {self.unreadable}"] if self.unreadable else []
        return "\n\n".join([*parts, f"the whole trail: {RESULTS[self.exit_code]} (exit {self.exit_code})"])
