"""The web application: the HTTP doors, the JSON API, the status page."""

from __future__ import annotations

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from monitor.push import PushDoor
from routes.flow import Flow


def application(flow: Flow, token: str, reload: Callable[[], None]) -> Starlette:
    """The routes of one hub process. Pushing stands first: it is what is asked most. `token` opens what changes something."""
    door = PushDoor(flow)

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    return Starlette(routes=[Route("/in/{system}/{feed}", door.push, methods=["POST"]), Route("/healthz", healthz)])
