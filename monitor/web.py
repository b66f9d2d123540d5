"""The web application: the HTTP doors, the JSON API, the status page."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from monitor import about, api
from monitor.gate import Gate
from monitor.health import Health
from monitor.overview import Overview
from monitor.page import Page
from monitor.problems import problem
from monitor.push import PushDoor
from routes.archive import Archive
from routes.desk import Desk
from routes.front import Front
from schemas import errors


def application(front: Front, token: str) -> ASGIApp:
    """The routes of one hub process. Pushing stands first: it is what is asked most. `token` opens what changes something."""
    door, health, overview, page = PushDoor(front), Health(front), Overview(front), Page()
    gate, workers = Gate(token), api.Workers()
    archive = Archive(front.store, lambda: front.setup)
    desk = Desk(front.store, front.door, archive, front.work.ring, front.work.reload, front.home)

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> Response:
        checks = await workers.run(health.checks)
        ready = all(checks[name] == "ok" for name in ("store", "migrations", "flow"))
        return JSONResponse({"status": "ready" if ready else "not ready", "checks": checks}, 200 if ready else 503)

    async def version(_: Request) -> Response:
        return JSONResponse({"version": about.version()})

    async def status(request: Request) -> Response:
        try:
            gate.check_look(request)
        except errors.Unauthorized as error:
            answer = problem(error)
            answer.headers["WWW-Authenticate"] = 'Basic realm="Mastercopy", charset="UTF-8"'  # browsers ask for it; any name will do
            return answer
        return page.render(request, await workers.run(overview.look))

    async def home(_: Request) -> Response:
        return RedirectResponse("/status")

    rest = Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/version", version),
            Route("/status", status),
            Route("/", home),
            Mount("/api/v1", api.application(desk, overview, gate, workers)),
        ],
        exception_handlers={HTTPException: _http, Exception: _broken},
    )
    return door.before(rest)


def _http(_: Request, error: Exception) -> Response:
    answer = problem(errors.NotFound(str(error.detail) if isinstance(error, HTTPException) else ""))
    answer.status_code = error.status_code if isinstance(error, HTTPException) else 404
    return answer


def _broken(_: Request, __: Exception) -> Response:
    """What went wrong stands in the log, not in the answer."""
    answer = problem(
        errors.UnknownOutcome("the hub failed at this request", hint="Send it again with the same id; the hub's log says more")
    )
    answer.status_code = 500
    return answer
