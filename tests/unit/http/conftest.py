"""A small application built from the parts of the edge, and a way to talk to it byte by byte."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
import pytest
from fastapi import Body, FastAPI, Query
from pydantic import BaseModel, ConfigDict, Field, field_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from app.core.errors import AuditUnavailableError, CaretrailError, TooManyAttemptsError
from app.http import crashes, docs_page, problems
from app.http.edge import Edge
from app.http.strict_route import strict_router
from app.residents.refusals import FaultError

RESIDENT = "01890000-0000-7000-8000-000000000001"


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Note(Strict):
    category: Literal["daily_note"]
    text: str = Field(max_length=100)


class Part(Strict):
    kind: str
    level: int = 0


class Observation(Strict):
    category: Literal["observation"]
    parts: list[Part]
    tags: dict[str, int] = {}


class Entry(Strict):
    occurred_at: datetime
    body: Annotated[Note | Observation, Field(discriminator="category")]
    number: str = ""

    @field_validator("number")
    @classmethod
    def checked(cls, number: str) -> str:
        if number == "wrong":
            raise FaultError("This is not a valid number.")
        if number == "told":
            raise ValueError(f"{number} is no number")
        return number


class Change(Strict):
    room: str | None = None


def routes():
    """Return routes of every kind the edge has to do with."""
    router = strict_router("/v1", tags=["sample"])

    @router.post("/residents/{resident_id}/records", status_code=201)
    async def record(resident_id: UUID, entry: Entry, raw: Request) -> Response:
        return JSONResponse({"bytes": len(await raw.body())}, status_code=201)

    @router.get("/residents/{resident_id}")
    async def read(
        resident_id: UUID,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        since: Annotated[str | None, Query(alias="from")] = None,
        date: Annotated[list[str] | None, Query()] = None,
    ) -> Response:
        return JSONResponse({"limit": limit, "from": since, "date": date})

    @router.patch("/residents/{resident_id}")
    async def amend(resident_id: UUID, change: Change) -> Response:
        return JSONResponse({"amended": True})

    @router.put("/optional")
    async def optional(change: Annotated[Change | None, Body()] = None) -> Response:
        return JSONResponse({"given": change is not None})

    @router.post("/sessions/current/lock", status_code=204)
    async def lock() -> Response:
        return Response(status_code=204)

    @router.post("/form", openapi_extra={"requestBody": {"content": {}}})
    async def form(request: Request) -> Response:
        return JSONResponse({"bytes": len(await request.body())})

    return router


def trouble():
    """Return routes that end in other ways."""
    router = strict_router("/v1")

    @router.get("/crash")
    async def crash() -> None:
        raise RuntimeError("Mary Sample, 999 000 0018")

    @router.get("/throttled")
    async def throttled() -> None:
        raise TooManyAttemptsError(retry_after=7)

    @router.get("/stream")
    async def stream(broken: bool = False) -> Response:
        async def lines() -> AsyncIterator[bytes]:
            yield b"one\n"
            if broken:
                raise RuntimeError("Mary Sample, 999 000 0018")
            yield b"two\n"

        return StreamingResponse(lines(), headers={"Cache-Control": "max-age=60"})

    return router


@dataclass
class Answer:
    """What came back, and how much of the body was taken for it."""

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    finished: bool = False
    pulled: int = 0

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def header(self, name: str) -> str:
        (value,) = self.all(name)
        return value

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


class Sample:
    """The application, what it recorded, and a client."""

    def __init__(self, **edge: Any) -> None:
        self.recorded: list[CaretrailError] = []
        self.trail_works = True
        self.recorder_works = True
        self.told_instead: CaretrailError | None = None
        api = FastAPI(
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
            exception_handlers=problems.exception_handlers(self.record),
        )
        for router in (routes(), trouble(), docs_page.router(), problems.router()):
            api.include_router(router)
        self.app = Edge(crashes.contained(api), make_request_id=lambda: "made-1", **edge)

    async def record(self, _: Request, error: CaretrailError) -> tuple[CaretrailError, Mapping[str, str]]:
        if not self.recorder_works:
            raise RuntimeError("Mary Sample")
        if not self.trail_works:
            raise AuditUnavailableError
        self.recorded.append(error)
        return self.told_instead or error, {"Audit-Event": "system/1/0123456789abcdef"}

    def send(
        self,
        method: str,
        target: str,
        body: bytes | Iterable[bytes] = b"",
        headers: Iterable[tuple[str, str]] = (),
        *,
        type_: str | None = "application/json",
        lost: bool = False,
    ) -> Answer:
        """Send one request; bodies given as an iterable go chunked, piece by piece."""
        path, _, query = target.partition("?")
        sent = [(name.lower().encode(), value.encode()) for name, value in headers]
        if isinstance(body, bytes):
            pieces = iter([body] if body else [])
            sent += [(b"content-length", str(len(body)).encode())] if body else []
        else:
            pieces = iter(body)
            sent += [(b"transfer-encoding", b"chunked")]
        if type_ is not None and body != b"":
            sent.append((b"content-type", type_.encode()))
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": sent,
            "http_version": "1.1",
        }
        return asyncio.run(self._exchange(scope, pieces, lost))

    async def _exchange(self, scope: dict[str, Any], pieces: Any, lost: bool) -> Answer:
        answer, ended = Answer(), False

        async def receive() -> dict[str, Any]:
            nonlocal ended
            if ended:
                await asyncio.Event().wait()  # the client is still there and says nothing more
            piece = next(pieces, None)
            answer.pulled += len(piece or b"")
            ended = piece is None
            if ended and lost:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = [(name.decode(), value.decode()) for name, value in message["headers"]]
            else:
                answer.body += message.get("body", b"")
                answer.finished = not message.get("more_body", False)

        await self.app(scope, receive, send)
        return answer


@pytest.fixture(scope="session")
def sample_of() -> Callable[..., Sample]:
    """Return a maker of fresh sample applications."""
    return Sample


@pytest.fixture
def sample() -> Sample:
    """Return a fresh sample application."""
    return Sample()


@pytest.fixture(scope="session")
def standing() -> Sample:
    """Return one sample application for all examples of a property."""
    return Sample()
