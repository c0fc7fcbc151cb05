"""Schemathesis over the real server: requests made from the description, good and bad, for one role.

Every operation is tried with data that fit its schema and with data that do not. Demanded of each
answer: no 5xx, a documented status, content type, headers and shape; of each request: exactly one
entry where the session is known (a stream: two), of the declared act. Ids of what really exists are put
in the place of some of those made up, or hardly any request would come further than 404.
"""

import zlib
from collections import Counter
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.http.bodies import nhs_number
from tests.http.errands import Ground
from tests.http.published import OPERATIONS, STREAMS
from tests.http.walking import SIGN_IN
from tests.support.served import Person, Served

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
NOT_HTTP = 400
"""How the server answers a head it cannot parse (a Content-Length that is no number): no request came."""
ENDLESS = "GET /v1/alerts/stream"
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


@dataclass
class Findings:
    """What came of a run."""

    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    not_http: int = 0
    wrong: list[str] = field(default_factory=list)


class Fuzzer:
    """One role at its home, or in the whole organisation, against every operation."""

    def __init__(self, served: Served, ground: Ground, role: str, *, wide: bool = False) -> None:
        self.served, self.ground = served, ground
        self._role, self._home = role, None if wide else served.world.home
        self.findings = Findings()
        self._sent: dict[str, str] = {}
        self._numbers = count()
        self._schema = schemathesis.openapi.from_url(f"{served.url}/openapi.json")

    def run(self, examples: int) -> Findings:
        """Try every operation with so many examples in each mode, then look at the trail."""
        operations = [result.ok() for result in self._schema.get_all_operations()]
        assert len(operations) == 81
        for operation in operations:
            for mode in MODES:
                # somebody new each time: the operation before may have locked them out
                person = self.served.world.person(self._role, self._home)
                self._explore(operation, mode, person, examples)
        self._check_entries()
        return self.findings

    def _explore(self, operation: Any, mode: GenerationMode, person: Person, examples: int) -> None:
        name = f"{operation.method.upper()} {operation.path}"

        @seed(zlib.crc32(f"{name} {self._role} {mode}".encode()))
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            verbosity=Verbosity.quiet,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def attempt(case: schemathesis.Case) -> None:
            self._make_real(case)
            if name == ENDLESS:
                _end_soon(case)
            self._send(name, person, case)

        attempt()

    def _send(self, name: str, person: Person, case: schemathesis.Case) -> None:
        rid = f"fuzz-{id(self)}-{next(self._numbers)}"
        headers = {"X-Request-ID": rid}
        if name != SIGN_IN:
            headers["Authorization"] = f"Bearer {self.served.token(person)}"
        response = case.call(headers=headers)
        self.findings.requests += 1
        if response.status_code == NOT_HTTP:
            self.findings.not_http += 1
            return
        self.findings.statuses[response.status_code] += 1
        # made to miss a header, a request may have lost this one
        if response.request.headers.get("Authorization", "") == headers.get("Authorization", ""):
            self._sent[rid] = name
        try:
            case.validate_response(response, checks=CHECKS, headers=headers)
        except FailureGroup as group:
            told = "; ".join(f"{type(e).__name__}: {e}" for e in group.exceptions)
            self.findings.wrong.append(f"{name}: {told}\n{case.as_curl_command()}")

    def _check_entries(self) -> None:
        found = self.served.lines_by_request()
        for rid, name in self._sent.items():
            lines = found.get(rid, [])
            act = OPERATIONS[name]["act"]
            wanted = {(act,)} if name != SIGN_IN else {(act,), ()}
            wanted |= {(act, f"{act}.end")} if name in STREAMS else set()
            acts = tuple(line.e["act"] for line in lines)
            if acts not in wanted:
                self.findings.wrong.append(f"{name}: entries {acts}")

    # --- what really exists -----------------------------------------------------------------------------

    def _make_real(self, case: schemathesis.Case) -> None:
        known = self._known()
        for part in (case.path_parameters, case.query, case.headers):
            if isinstance(part, MutableMapping):
                part.update({name: _real(value, name, known) for name, value in part.items()})
        case.body = _real(case.body, "", known)

    def _known(self) -> dict[str, tuple[str, ...]]:
        ground = self.ground
        return {
            "resident_id": tuple(ground.residents.values()),
            "record_id": tuple(ground.records.values()),
            "user_id": tuple(worker.id for worker in ground.workers.values()),
            "shift_id": tuple(ground.shifts.values()),
            "session_id": tuple(ground.sessions.values()),
            "version": ("1",),
            "seq": ("5",),
            "home_id": tuple(ground.homes.values()),
            "Audit-Reason": ("asked%20by%20the%20GP",),
            "occurred_at": ("2026-03-02T08:30:00Z",),
            "from": ("2026-03-02T08:30:00Z",),
            "starts_at": ("2026-03-05T08:00:00Z",),
            "ends_at": ("2026-03-05T16:00:00Z",),
            "admitted_on": ("2026-01-01",),
            "discharged_on": ("2026-03-01",),
            "date_of_birth": ("1940-05-06",),
            "nhs_number": (nhs_number(900),),
        }


def _end_soon(case: schemathesis.Case) -> None:
    """Have a stream that would go on end after its first look."""
    query = dict(case.query) if isinstance(case.query, MutableMapping) else {}
    if str(query.get("seconds", "0")).isdigit():
        case.query = query | {"seconds": "0"}


def _real(made_up: Any, name: str, known: dict[str, tuple[str, ...]]) -> Any:
    """Return what was made up with most of its texts made real, or at least printable."""
    if isinstance(made_up, dict):
        return {key: _real(value, key, known) for key, value in made_up.items()}
    if isinstance(made_up, list):
        return [_real(value, name, known) for value in made_up]
    draw = zlib.crc32(repr(made_up).encode("utf-8", "replace"))
    if not isinstance(made_up, str) or draw % 4 == 0:
        return made_up
    if name in known:
        return known[name][draw % len(known[name])]
    return "".join(letter if letter.isprintable() else "x" for letter in made_up)
