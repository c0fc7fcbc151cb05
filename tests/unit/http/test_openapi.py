"""`/openapi.json` is made when it is first asked for, once."""

import asyncio

import httpx2
import orjson
import pytest
from fastapi import FastAPI

from app.http import openapi
from app.http.factory import build
from app.http.openapi import describe, serve_description


@pytest.fixture
def made(monkeypatch) -> list[FastAPI]:
    """Every application that was described."""
    described: list[FastAPI] = []

    def noting(app: FastAPI):
        described.append(app)
        return describe(app)

    monkeypatch.setattr(openapi, "describe", noting)
    return described


def test_no_start_waits_for_it(made) -> None:
    """It takes most of a second, and every worker starts."""
    build(None)
    assert made == []


async def asked(app: FastAPI, times: int) -> list[httpx2.Response]:
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        return await asyncio.gather(*(client.get("/openapi.json") for _ in range(times)))


def test_many_who_ask_at_once_get_the_same_and_it_is_made_once(made) -> None:
    """Nobody can have it made again and again: it is open to anybody."""
    app = build(None)
    answers = asyncio.run(asked(app, 8))
    assert [answer.status_code for answer in answers] == [200] * 8
    assert len(made) == 1
    assert {answer.content for answer in answers} == {orjson.dumps(describe(app))}


def test_who_leaves_does_not_end_it_for_others(made) -> None:
    """The first who asks goes away while it is made."""
    app = FastAPI(openapi_url=None)
    serve_description(app)

    async def leaving() -> list[httpx2.Response]:
        first = asyncio.create_task(asked(app, 1))
        await asyncio.sleep(0)
        while not made:
            await asyncio.sleep(0.001)
        first.cancel()
        return await asked(app, 1)

    (answer,) = asyncio.run(leaving())
    assert answer.json()["info"]["title"] == "Caretrail"
