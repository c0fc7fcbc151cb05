"""The plain asynchronous application: `async def`, SQLAlchemy ORM, asyncpg, sixteen connections."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI, Header, Response
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from tests.bench.plain_model import AmendmentIn, PlainRecord, RecordOut
from tests.bench.plain_parts import LEAN, PATH, amended, found, plain_app, told

POOL = 16

Match = Annotated[str, Header(alias="if-match")]


def orm_async(url: str) -> FastAPI:
    """Return the application on a `postgresql+asyncpg://` URL."""
    app = plain_app()
    engine = create_async_engine(url, pool_size=POOL, max_overflow=0)
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    _documented(app, sessions)
    _lean(app, sessions)
    return app


def _documented(app: FastAPI, sessions: async_sessionmaker[AsyncSession]) -> None:
    async def session_of_request() -> AsyncIterator[AsyncSession]:
        async with sessions() as session:
            yield session

    Given = Annotated[AsyncSession, Depends(session_of_request)]

    @app.get(PATH)
    async def read(resident_id: str, record_id: str, session: Given, response: Response) -> RecordOut:
        return told(found(await session.get(PlainRecord, record_id), resident_id), response)

    @app.put(PATH)
    async def write(
        resident_id: str,
        record_id: str,
        amendment: AmendmentIn,
        if_match: Match,
        session: Given,
        response: Response,
    ) -> RecordOut:
        row = await session.get(PlainRecord, record_id, with_for_update=True)
        changed = amended(row, resident_id, if_match, amendment)
        await session.commit()
        return told(changed, response)


def _lean(app: FastAPI, sessions: async_sessionmaker[AsyncSession]) -> None:
    @app.get(LEAN + PATH)
    async def read(resident_id: str, record_id: str, response: Response) -> RecordOut:
        async with sessions() as session:
            return told(found(await session.get(PlainRecord, record_id), resident_id), response)

    @app.put(LEAN + PATH)
    async def write(
        resident_id: str, record_id: str, amendment: AmendmentIn, if_match: Match, response: Response
    ) -> RecordOut:
        async with sessions() as session:
            row = await session.get(PlainRecord, record_id, with_for_update=True)
            changed = amended(row, resident_id, if_match, amendment)
            await session.commit()
            return told(changed, response)
