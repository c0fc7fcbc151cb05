"""What a check of the stored trail found: for people, for machines, and as an exit code."""

import json
from dataclasses import dataclass, field

from app.audit.schema_digest import SchemaCheck
from app.audit.verify import RESULTS, Report, shown

_OLDER = (
    "the schema is at {}, an older one: run `caretrail migrate`. Only the lines were checked;"
    " what protects them is that of the older version and was not judged."
)
_ANCHORING = "`caretrail audit export`, then `verify.py --anchors`"


@dataclass
class DatabaseReport:
    """One report for each chain, one on the schema, and what kept the check from being made.

    Attributes:
        chains: What was found of each.
        schema: The definitions that protect the trail, held against those of this version.
        unreadable: Why the check could not be made.
        older: The revision of a schema that is not migrated yet; its definitions are then not judged.
    """

    chains: list[Report] = field(default_factory=list)
    schema: SchemaCheck | None = None
    unreadable: str = ""
    older: str = ""

    def judge_lines_only(self, older: str) -> None:
        """Leave the definitions out: they are those of the older version that made them."""
        self.schema, self.older = None, older

    @property
    def exit_code(self) -> int:
        """The answer as a number: 0 intact, 1 tampered, 2 cannot vouch, 3 unreadable."""
        codes = {report.exit_code for report in self.chains} | ({3} if self.unreadable else set())
        codes |= {1} if self.schema is not None and self.schema.differences else set()
        codes |= {2} if self.older else set()
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
        answer |= {"chains": chains, "schema": schema, "unreadable": self.unreadable}
        answer |= {"older_schema": shown(self.older)} if self.older else {}
        return json.dumps(answer, default=shown)

    def as_text(self) -> str:
        """Return the report for people."""
        parts = [
            f"chain {shown(report.organisation)}\n{report.as_text(_ANCHORING)}" for report in self.chains
        ]
        parts += [] if self.chains else ["cannot vouch: the database holds no chain"]
        parts += [] if self.schema is None else [self.schema.as_text()]
        parts += [_OLDER.format(shown(self.older))] if self.older else []
        parts += [f"unreadable: {self.unreadable}"] if self.unreadable else []
        return "\n\n".join([*parts, f"the whole trail: {RESULTS[self.exit_code]} (exit {self.exit_code})"])
