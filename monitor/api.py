"""The JSON API: what the command line and the console ask and change. Everything needs the control token, but looking from this machine."""

from __future__ import annotations

import asyncio
import base64
import binascii
import concurrent.futures
import functools
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

from fastapi import Body, FastAPI, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from monitor import about
from monitor.gate import Gate
from monitor.overview import Overview
from monitor.problems import problem
from routes import desk, receive, subscribers, trace
from routes.desk import Desk
from routes.replay import FILTERS
from schemas import errors, personal

T = TypeVar("T")
Text = Annotated[str, Body(embed=True)]
Maybe = Annotated[str | None, Body(embed=True)]
Flag = Annotated[bool, Body(embed=True)]
Number = Annotated[int, Path(ge=1, le=2**62)]


class Workers:
    """Threads for questions to the store: few, and kept, since each has a connection of its own."""

    def __init__(self, count: int = 3) -> None:
        self._pool = concurrent.futures.ThreadPoolExecutor(count, "api")

    def run(self, work: Callable[..., T], *args: Any, **values: Any) -> Awaitable[T]:
        """Off the event loop."""
        return asyncio.get_running_loop().run_in_executor(self._pool, functools.partial(work, *args, **values))


def application(counter: Desk, overview: Overview, gate: Gate, workers: Workers) -> FastAPI:
    """The API under /api/v1."""
    app = FastAPI(title="Mastercopy", version=about.version(), docs_url=None, redoc_url=None)
    _errors(app)

    @app.middleware("http")
    async def guard(request: Request, follow: Callable[[Request], Awaitable[Response]]) -> Response:
        try:
            look = request.method == "GET" and request.url.path.endswith("/api/v1/status")
            (gate.check_look if look else gate.check)(request)
        except errors.Unauthorized as error:
            return problem(error)
        answer = await follow(request)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @app.get("/status")
    async def status() -> Any:
        return await workers.run(overview.look)

    _looking(app, counter, overview, workers)
    _golden(app, counter, workers)
    _dead(app, counter, workers)
    _steering(app, counter, workers)
    return app


def _errors(app: FastAPI) -> None:
    @app.exception_handler(errors.MastercopyError)
    async def known(_: Request, error: errors.MastercopyError) -> Response:
        return problem(error)

    @app.exception_handler(RequestValidationError)
    async def asked(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return problem(errors.Undecodable(str(first["msg"]), place=errors.Place(path=".".join(map(str, first["loc"])))))

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> Response:
        found = problem(errors.NotFound(str(error.detail)))
        found.status_code = error.status_code
        return found


def _looking(app: FastAPI, counter: Desk, overview: Overview, workers: Workers) -> None:
    store = counter.store

    @app.get("/feeds")
    async def feeds() -> Any:
        return (await workers.run(overview.look))["feeds"]

    @app.get("/subscriptions")
    async def subscriptions() -> Any:
        return await workers.run(lambda: subscribers.overview(store, receive.now()))

    @app.get("/keys")
    async def keys() -> Any:
        return await workers.run(desk.keys, store)

    @app.get("/messages/{what}/trace")
    async def message(what: str, row: int | None = None, rows: Annotated[int, Query(ge=1, le=1000)] = trace.ROWS) -> Any:
        def work() -> dict[str, Any]:
            traces = trace.Trace(store, counter.archive)
            found = traces.find(what)
            return traces.message(trace.Found(found.message, row if row is not None else found.row, found.others), rows=rows)

        return await workers.run(work)


def _golden(app: FastAPI, counter: Desk, workers: Workers) -> None:
    store = counter.store

    @app.get("/golden")
    async def find(key: str, entity: str | None = None) -> Any:
        return await workers.run(store.views.find_golden, key, entity)

    @app.get("/golden/{id_}")
    async def golden(id_: str) -> Any:
        def work() -> Any:
            record = store.views.golden(id_)
            if record is None:
                raise errors.NotFound(f"no golden record {id_}", hint="Search with /golden?key=")
            veil = personal.Veil()
            for state in (record["state"], *(member["state"] or {} for member in record["members"])):
                veil.state(record["entity"], state)
            return veil.tree(record)

        return await workers.run(work)

    @app.get("/golden/{id_}/history")
    async def history(id_: str) -> Any:
        def work() -> Any:
            veil = personal.Veil()
            versions = store.views.history(id_)
            for change in versions:
                veil.state(change.entity, change.state)
                veil.state(change.entity, {name: old for name, (old, _) in (change.changed or {}).items()})
            return [veil.tree(change._asdict()) for change in versions]

        return await workers.run(work)


def _dead(app: FastAPI, counter: Desk, workers: Workers) -> None:
    store = counter.store

    @app.get("/dead")
    async def letters(
        request: Request, state: str = "dead", limit: Annotated[int, Query(ge=1, le=1000)] = 100, before: int | None = None
    ) -> Any:
        filters = {name: value for name, value in request.query_params.items() if name in FILTERS}
        found = await workers.run(store.letters.select, state=state, filters=filters, limit=limit, before=before)
        veil = personal.Veil()
        return {"letters": [veil.tree(trace.letter_row(each)) for each in found], "next": found[-1].id if len(found) == limit else None}

    @app.get("/dead/groups")
    async def groups(limit: Annotated[int, Query(ge=1, le=1000)] = 50) -> Any:
        return personal.Veil().tree(await workers.run(store.letters.groups, limit))

    @app.get("/dead/{letter}")
    async def show(letter: Number) -> Any:
        def work() -> Any:
            found = store.letters.get(letter)
            if found is None:
                raise errors.NotFound(f"no dead letter {letter}")
            veil = personal.Veil()
            text = trace.Trace(store, counter.archive).payload(found, veil)
            return {**veil.tree(trace.letter_row(found)), "payload": text}

        return await workers.run(work)

    @app.post("/dead/{letter:int}/replay")
    async def replay(request: Request, letter: Number, reason: Text = "", body: Maybe = None, dry_run: Flag = False) -> Any:
        key = request.headers.get("idempotency-key", "")
        return await workers.run(counter.replay, letter, reason, _bytes(body), key, dry_run=dry_run)

    @app.post("/dead/{letter:int}/discard")
    async def discard(letter: Number, reason: Text = "", dry_run: Flag = False) -> Any:
        return await workers.run(counter.discard, letter, reason, dry_run=dry_run)

    @app.post("/dead/{action}")
    async def bulk(action: str, values: Annotated[dict[str, Any], Body()]) -> Any:
        if action not in ("replay", "discard"):
            raise errors.NotFound(f"letters are not settled by {action!r}", hint="Known: replay, discard")
        return await workers.run(counter.bulk, action, **_known(values))


def _steering(app: FastAPI, counter: Desk, workers: Workers) -> None:
    @app.post("/subscriptions/{name}/pause")
    async def pause(name: str, reason: Text = "") -> Any:
        return await workers.run(counter.pause, name, reason)

    @app.post("/subscriptions/{name}/resume")
    async def resume(name: str) -> Any:
        return await workers.run(counter.resume, name)

    @app.post("/keys")
    async def make_key(source: Text) -> Any:
        return await workers.run(counter.make_key, source)

    @app.delete("/keys/{prefix}")
    async def revoke_key(prefix: str) -> Any:
        return await workers.run(counter.revoke_key, prefix)

    @app.post("/feeds/{source}/{feed}/messages")
    async def push(source: str, feed: str, body: Text, message_id: Maybe = None, content_type: Text = "") -> Any:
        return await workers.run(counter.push, source, feed, _bytes(body) or b"", message_id, content_type)

    @app.post("/feeds/{source}/{feed}/withdraw")
    async def withdraw(source: str, feed: str, reason: Text = "", dry_run: Flag = False) -> Any:
        return await workers.run(counter.withdraw, source, feed, reason, dry_run=dry_run)

    @app.get("/revisions")
    async def revisions() -> Any:
        return await workers.run(counter.revisions.all)

    @app.get("/revisions/{revision}")
    async def revision(revision: Number) -> Any:
        return await workers.run(counter.revisions.show, revision)

    @app.post("/revisions/{revision}/restore")
    async def restore(revision: Number, dry_run: Flag = False) -> Any:
        return await workers.run(counter.restore, revision, dry_run=dry_run)

    @app.post("/reload")
    async def reload() -> Any:
        return await workers.run(counter.reload)


_BULK = {"reason": str, "state": str, "filters": dict, "before": int, "limit": int, "rate": float | int, "dry_run": bool}


def _known(values: dict[str, Any]) -> dict[str, Any]:
    """The values of a bulk action, each of its type."""
    for name, value in values.items():
        if name not in _BULK or not (isinstance(value, _BULK[name]) or (name == "before" and value is None)):
            raise errors.Undecodable(f"{name} is not as expected", place=errors.Place(path=name), hint=f"Known: {', '.join(_BULK)}")
    return {"reason": "", **values}


def _bytes(body: str | None) -> bytes | None:
    """Bodies travel as base64: they may be in any encoding."""
    if body is None:
        return None
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise errors.Undecodable("a body is base64 here", place=errors.Place(path="body")) from error
