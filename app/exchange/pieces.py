"""A plan in pieces, each of which is one transaction: whoever works at a home meanwhile gets in between.

Whoever comes, comes with their records: with all of them or, where there are too many, with what warns, so
that nobody is shown with half of their allergies. A run that breaks off is taken up by the next: it finds
what is there.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from app.exchange.drafts import LeftOut, Plan, RecordDraft, Remark, ResidentDraft

MOST_WEIGHT = 100
"""Writing it takes less than 0.1 s. Others wait for 1.5 s, and a machine may be ten times slower."""
BYTES_OF_ONE = 50_000
"""A record weighs one, and one more for each of these in its original."""
_WARN = frozenset({"advance_care_plan", "allergy", "diet", "risk_assessment"})


@dataclass(frozen=True)
class Piece:
    """A part of a plan. The first has what the plan leaves out and remarks on."""

    residents: tuple[ResidentDraft, ...]
    records: tuple[RecordDraft, ...]
    left_out: tuple[LeftOut, ...] = ()
    remarks: tuple[Remark, ...] = ()


def pieces_of(plan: Plan) -> Iterator[Piece]:
    """Yield a plan piece by piece; at least one, for a run that brings nothing makes its entry, too."""
    piece, room = Piece((), (), plan.left_out, plan.remarks), MOST_WEIGHT
    for resident, records, weight in _shares(plan):
        if piece.residents and weight > room:
            yield piece
            piece, room = Piece((), ()), MOST_WEIGHT
        piece = replace(piece, residents=(*piece.residents, resident), records=(*piece.records, *records))
        room -= weight
    yield piece


def _shares(plan: Plan) -> Iterator[tuple[ResidentDraft, list[RecordDraft], int]]:
    """Yield residents with as many of their records as fit into a piece, and what both weigh."""
    belonging: dict[str, list[RecordDraft]] = defaultdict(list)
    for record in plan.records:
        belonging[record.resident_key].append(record)
    for resident in plan.residents:
        share, weight = resident, 1
        taken: list[RecordDraft] = []
        for record in sorted(belonging[resident.source_key], key=lambda one: one.category not in _WARN):
            own = 1 + record.kept.size // BYTES_OF_ONE
            if taken and weight + own > MOST_WEIGHT:
                yield share, taken, weight
                share, taken, weight = replace(resident, continues=True), [], 1
            taken.append(record)
            weight += own
        yield share, taken, weight
