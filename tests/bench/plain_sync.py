"""The plain synchronous application: `def`, SQLAlchemy ORM, psycopg or sqlite3, forty connections."""

from collections.abc import Callable, Iterator
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, Response
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.orm import Session, sessionmaker

from tests.bench.plain_model import AmendmentIn, PlainRecord, RecordOut
from tests.bench.plain_parts import LEAN, PATH, amended, found, plain_app, told

POOL = 40
"""As many as FastAPI has threads for `def`."""

Match = Annotated[str, Header(alias="if-match")]


def orm_sync(url: str) -> FastAPI:
    """Return the application on a `postgresql+psycopg://` or `sqlite:///` URL."""
    app = plain_app()
    engine = _sqlite(url) if url.startswith("sqlite") else create_engine(url, pool_size=POOL, max_overflow=0)
    readers = sessionmaker(engine, expire_on_commit=False)
    # SQLite: a transaction that means to write says so at its begin, or it fails under load
    writers = sessionmaker(engine.execution_options(writes=True), expire_on_commit=False)
    _documented(app, readers, writers)
    _lean(app, readers, writers)
    return app


def _documented(app: FastAPI, readers: sessionmaker[Session], writers: sessionmaker[Session]) -> None:
    def session_of(sessions: sessionmaker[Session]) -> Callable[[], Iterator[Session]]:
        def session_of_request() -> Iterator[Session]:
            with sessions() as session:
                yield session

        return session_of_request

    Reading = Annotated[Session, Depends(session_of(readers))]
    Writing = Annotated[Session, Depends(session_of(writers))]

    @app.get(PATH)
    def read(resident_id: str, record_id: str, session: Reading, response: Response) -> RecordOut:
        return told(found(session.get(PlainRecord, record_id), resident_id), response)

    @app.put(PATH)
    def write(
        resident_id: str,
        record_id: str,
        amendment: AmendmentIn,
        if_match: Match,
        session: Writing,
        response: Response,
    ) -> RecordOut:
        row = session.get(PlainRecord, record_id, with_for_update=True)
        changed = amended(row, resident_id, if_match, amendment)
        session.commit()
        return told(changed, response)


def _lean(app: FastAPI, readers: sessionmaker[Session], writers: sessionmaker[Session]) -> None:
    @app.get(LEAN + PATH)
    def read(resident_id: str, record_id: str, response: Response) -> RecordOut:
        with readers() as session:
            return told(found(session.get(PlainRecord, record_id), resident_id), response)

    @app.put(LEAN + PATH)
    def write(
        resident_id: str, record_id: str, amendment: AmendmentIn, if_match: Match, response: Response
    ) -> RecordOut:
        with writers() as session:
            row = session.get(PlainRecord, record_id, with_for_update=True)
            changed = amended(row, resident_id, if_match, amendment)
            session.commit()
            return told(changed, response)


def _sqlite(url: str) -> Engine:
    options = {"timeout": 30.0, "isolation_level": None, "check_same_thread": False}
    engine = create_engine(url, pool_size=POOL, max_overflow=0, connect_args=options)

    @event.listens_for(engine, "connect")
    def configure(raw: Any, _record: Any) -> None:
        raw.execute("PRAGMA journal_mode=WAL").close()
        raw.execute("PRAGMA synchronous=FULL").close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
