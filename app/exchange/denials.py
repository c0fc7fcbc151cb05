"""Does a text rule an allergy out? Only if every clause of it does; in doubt it names an allergy.

"No known allergies except peanuts" begins like a text that rules all out. Whoever reads only
the beginning serves the peanuts.
"""

import re
from collections.abc import Iterable

_KIND = r"(drug|food|medicine|medication|environmental|insect|animal|latex)s?"
_KINDS = rf"{_KIND}(( and | or | ?/ ?){_KIND})*"
_ALLERGIES = r"(allerg(y|ies)|intolerances?)"
NAMED = re.compile(r"allerg|anaphyla|intoleran", re.IGNORECASE)
_NO_OTHER = re.compile(
    rf"(no|nil) (other|further) (known )?({_KINDS} )?{_ALLERGIES}( known| recorded)?", re.IGNORECASE
)
_NONE_AT_ALL = re.compile(r"(no|nil) known allerg(y|ies)", re.IGNORECASE)
_NONE = re.compile(
    rf"(no|nil) (known )?({_KINDS} )?{_ALLERGIES}( (known|recorded))?( to {_KINDS})?"
    rf"|{_ALLERGIES}( status)?( is| are)? (not (yet )?(recorded|known|stated|assessed)|unknown)"
    r"|nk[df]?a"  # no known (drug, food) allergies
    r"|(is )?(not|no longer) allergic to \w+|de-?labell?ed( in)?( \d{4})?",
    re.IGNORECASE,
)
_SEMANTIC_TAG = re.compile(r"\((situation|finding)\)")  # of SNOMED CT, at the end of a full name
_BETWEEN_CLAUSES = re.compile(r"[.,;:()\n]+|\s[-–—]\s")


def rules_out_all(texts: Iterable[str]) -> bool:
    """Say whether texts say that no allergy is known, and nothing else."""
    return _each_clause(_NONE_AT_ALL, texts)


def rules_out(texts: Iterable[str]) -> bool:
    """Say whether texts say nothing but that some allergy, or any, is not there or not recorded."""
    return _each_clause(_NONE, texts)


def names_one(texts: Iterable[str]) -> bool:
    """Say whether a clause of the texts speaks of an allergy, and not only that there is none or no other."""
    return any(
        NAMED.search(clause) and not _NONE.fullmatch(clause) and not _NO_OTHER.fullmatch(clause)
        for clause in _clauses(texts)
    )


def _each_clause(shape: re.Pattern[str], texts: Iterable[str]) -> bool:
    told = _clauses(texts)
    return bool(told) and all(shape.fullmatch(clause) for clause in told)


def _clauses(texts: Iterable[str]) -> list[str]:
    clauses = (
        " ".join(clause.split())
        for one in texts
        for clause in _BETWEEN_CLAUSES.split(_SEMANTIC_TAG.sub("", one))
    )
    return [clause for clause in clauses if clause]
