"""The node-facing HTTP application, behind nginx on a unix socket that only root may open."""

from __future__ import annotations

import logging
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from installer.model.problems import RackstrapError
from installer.serve.agents import Agents
from installer.serve.boot import make_boot_routes
from installer.serve.desk import Desk
from installer.serve.fields import Refused

LOG: Final = logging.getLogger("rackstrap.serve")


def make_app(desk: Desk) -> Starlette:
    """The application. Refusals are `{"reason"}` with their status; nothing else is told to whoever asks."""
    agents = Agents(desk)
    routes = [
        Route("/agent/enrol", agents.enrol, methods=["POST"]),
        Route("/agent/recording", agents.report, methods=["POST"]),
        Route("/agent/order", agents.order, methods=["GET"]),
        Route("/agent/progress", agents.progress, methods=["POST"]),
        Route("/agent/result", agents.result, methods=["POST"]),
        Route("/agent/installed", agents.installed, methods=["POST"]),
        *(Route(path, endpoint, methods=["GET"]) for path, endpoint in make_boot_routes(desk).items()),
    ]
    return Starlette(routes=routes, exception_handlers={Refused: _answer_refused, RackstrapError: _answer_broken})


async def _answer_refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)  # noqa: S101 -- starlette's handlers are typed for any exception
    LOG.info("%s %s: %s %s", request.method, request.url.path, error.status, error.reason)
    return JSONResponse({"reason": error.reason}, status_code=error.status)


async def _answer_broken(request: Request, error: Exception) -> Response:
    LOG.error("%s %s: %s", request.method, request.url.path, error)
    return JSONResponse({"reason": "the admin node cannot answer now"}, status_code=503)
