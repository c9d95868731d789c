"""The web app: all routes, and what every answer has in common."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, cast

import structlog
from quart import Request, Response, has_request_context, request, websocket
from quart.wrappers import BaseRequestWebsocket
from quart_trio import QuartTrio
from werkzeug.exceptions import MethodNotAllowed
from werkzeug.routing import WebsocketMismatch

from kinora.actors.errors import KinoraError
from kinora.system import System
from kinora.web.access.access_gate import AccessGate
from kinora.web.access.guard import Guard, ServerOptions
from kinora.web.access.login_links import LoginLinks
from kinora.web.access.rights import access_of
from kinora.web.access.wrong_tokens import WrongTokens
from kinora.web.answers.responses import EVERY_ANSWER, problem_response
from kinora.web.api.about import about_routes
from kinora.web.api.agent_files import agent_file_routes
from kinora.web.api.agent_list import agent_list_routes
from kinora.web.api.agents import agent_routes
from kinora.web.api.cameras import camera_routes
from kinora.web.api.catalogue import catalogue_routes
from kinora.web.api.deliveries import delivery_routes
from kinora.web.api.jobs import JobName, job_routes
from kinora.web.api.media import media_routes
from kinora.web.api.plugins import PluginName, plugin_routes
from kinora.web.api.pushes import push_routes
from kinora.web.api.sessions import session_routes
from kinora.web.api.source_pictures import source_picture_routes
from kinora.web.api.tokens import token_routes
from kinora.web.connection.addresses import own_names
from kinora.web.metrics import metrics_routes
from kinora.web.middleware.access_log import AccessLog, reason_without_secrets, without_secrets
from kinora.web.middleware.http_figures import HttpFigures
from kinora.web.middleware.proxies import BehindProxies, WithRootPath
from kinora.web.middleware.request_watch import WATCHED, RequestWatch, Watched
from kinora.web.middleware.starting import StartGate
from kinora.web.pages.bundle import read_bundle, ui_routes
from kinora.web.pages.own_pages import no_ui_page
from kinora.web.paths import REALTIME
from kinora.web.problems import Problem, problem_of
from kinora.web.reads.reading_lane import ReadingLane
from kinora.web.realtime.event_streams import realtime_routes
from kinora.web.realtime.realtime_sockets import RealtimeSockets
from kinora.web.requests.bodies import FORM_RESERVE_BYTES, BoundedConnection, BoundedRequest
from kinora.web.scopes import until_stop

log = structlog.get_logger()

ANSWER_S = 1.0
"""When the server stops, a request has this long for its answer to begin; then it is refused with 503."""
STOPPING = Problem(503, "The server is stopping: send the request again when it is back.", headers={"retry-after": "2"})
"""The answer to a request that was not done before the server stopped."""
NO_WEBSOCKET = Problem(400, f"There is no WebSocket at this address: open one at {REALTIME}, or leave Upgrade out.")
"""The answer to an upgrade at an address of plain HTTP."""


class KinoraApp(QuartTrio):
    """Quart with request bodies of bounded size."""

    asgi_http_class = BoundedConnection
    request_class = BoundedRequest
    reading_lane: ReadingLane | None = None
    """Answers plain reads as the app does, only faster; None behind a proxy."""

    async def handle_request(self, request: Request) -> Any:
        """Return the answer; when the server stops, ``STOPPING`` if it takes longer than ``ANSWER_S`` from then on."""
        answer: Any = None
        with until_stop(request.scope, ANSWER_S):
            answer = await super().handle_request(request)
        if answer is None:
            answer = problem_response(STOPPING)
            answer.headers.update(EVERY_ANSWER)
        return answer


def create_app(system: System, links: LoginLinks | None = None) -> KinoraApp:
    """The app with all routes of ``system``, behind the guard that keeps other sites' pages out.

    Browsers can sign in by ``links``, and clients make further ones.
    """
    links, wrong_tokens = links or LoginLinks([]), WrongTokens()
    app = KinoraApp("kinora", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = system.settings.max_upload_bytes + FORM_RESERVE_BYTES
    app.config["RESPONSE_TIMEOUT"] = None  # a client that takes nothing is cut off by its connection
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = False
    app.url_map.converters["plugin"] = PluginName
    app.url_map.converters["job"] = JobName
    figures = HttpFigures()
    app.register_blueprint(job_routes(system, figures.uploads))
    app.register_blueprint(metrics_routes(system, figures))
    for make_routes in (
        plugin_routes,
        catalogue_routes,
        media_routes,
        camera_routes,
        source_picture_routes,
        delivery_routes,
        agent_list_routes,
        realtime_routes,
        push_routes,
        agent_routes,
        agent_file_routes,
        about_routes,
    ):
        app.register_blueprint(make_routes(system))
    app.register_blueprint(token_routes(system))
    app.register_blueprint(session_routes(system, links, wrong_tokens))
    app.register_blueprint(ui_routes(read_bundle(), no_ui_page()))
    app.register_error_handler(Exception, _answer_error)
    app.after_request(_add_headers)
    app.before_websocket(_tell_websocket_reached)
    settings = system.settings
    access_log = AccessLog(all_calls=settings.log_level == "debug") if settings.access_log else None
    watched = RequestWatch(_guarded(app.asgi_app, system, wrong_tokens), figures, access_log)
    told = BehindProxies(watched, settings.trusted_proxies, settings.root_path)
    app.asgi_app = cast("Any", told)  # type: ignore[method-assign]
    if not (settings.trusted_proxies or settings.root_path):
        app.reading_lane = ReadingLane(system, _host_names(system), figures, access_log)
    return app


def _guarded(app: Any, system: System, wrong_tokens: WrongTokens) -> Guard:
    """The app behind all that may refuse a request."""
    gate = AccessGate(ServerOptions(RealtimeSockets(WithRootPath(app), system)), system, wrong_tokens)
    return Guard(StartGate(gate, system), _host_names(system), any_address=system.tokens.needed)


def _host_names(system: System) -> frozenset[str]:
    """The names of this server, beside those of loopback."""
    names = {*system.settings.allowed_hosts, *(own_names() if system.tokens.needed else ())}
    return frozenset(name.lower() for name in names)


async def _answer_error(error: Exception) -> Response:
    problem = problem_of(error)
    if not has_request_context() and isinstance(error, WebsocketMismatch | MethodNotAllowed):
        problem = NO_WEBSOCKET
    if problem.status == 500:  # noqa: PLR2004 - the only status that is the server's own fault
        failed = request if has_request_context() else websocket
        path = without_secrets(failed.path)
        log.error("a request failed because of an error in the server", path=path, exc_info=error)
    elif has_request_context() and request.method == "POST" and isinstance(error, KinoraError):
        reason = reason_without_secrets(str(error))
        log.info("a request was refused", path=without_secrets(request.path), status=problem.status, reason=reason)
    return problem_response(problem)


async def _tell_websocket_reached() -> None:
    _tell_reached(websocket)


def _tell_reached(asked: BaseRequestWebsocket) -> None:
    """Tell what watches the request that it has reached the app."""
    watched: Watched = cast("dict[str, Any]", asked.scope)[WATCHED]
    watched.reached(None if asked.url_rule is None else asked.url_rule.rule, access_of(asked.scope))


async def _add_headers(response: Any) -> Any:
    _tell_reached(request)
    for name, value in EVERY_ANSWER.items():
        response.headers.setdefault(name, value)
    for name in _void_headers(response):
        response.headers.pop(name, None)
    return response


def _void_headers(response: Any) -> Sequence[str]:
    """The headers that Quart gives to an answer although it has no content that they could describe."""
    if response.status_code in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}:
        return "content-type", "content-length"
    return ["content-type"] if request.method == "OPTIONS" and response.status_code == HTTPStatus.OK else []
