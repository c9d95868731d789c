"""``/v1/session`` and ``/login``: signing a browser in by a cookie, and out."""

from __future__ import annotations

from quart import Blueprint, Response, request

from kinora.actors.access.token_request import NewLink, SignIn
from kinora.actors.errors import Conflict, FieldError, InvalidRequest
from kinora.actors.requests.flat_request import read_request
from kinora.system import System
from kinora.web.access.login_links import CODE_S, LOGIN, LoginLinks
from kinora.web.access.rights import SESSION, Access, Credential, access_by, access_of, cookie_name
from kinora.web.access.wrong_tokens import WrongTokens
from kinora.web.answers.responses import json_response
from kinora.web.documents.access_documents import LoginLink, Session
from kinora.web.pages.own_pages import login_failed_page
from kinora.web.requests.bodies import read_json
from kinora.web.scopes import is_secure

COOKIE_S = 400 * 24 * 3600
"""The time for which a browser keeps the cookie: the longest that browsers allow."""


def session_routes(system: System, links: LoginLinks, wrong_tokens: WrongTokens) -> Blueprint:
    """The calls by which a browser signs in and out, and learns what it may do, and that for links that sign one in."""
    routes = Blueprint("sessions", __name__)
    needed = system.tokens.needed

    @routes.get(SESSION)
    async def show() -> Response:
        return _answer(access_of(request.scope), needed=needed)

    @routes.post(SESSION)
    async def sign_in() -> Response:
        secret = read_request(SignIn, await read_json()).token
        if not needed:
            return _answer(access_of(request.scope), needed=False)
        access = access_by(system.tokens, Credential(secret, is_cookie=False))
        if access is None:
            raise await wrong_tokens.refusal(request.scope)
        answer = _answer(access, needed=True)
        answer.headers["set-cookie"] = _cookie(system, access.cookie, COOKIE_S)
        return answer

    @routes.delete(SESSION)
    async def sign_out() -> Response:
        return Response(b"", 204, {"set-cookie": _cookie(system, "", 0), "cache-control": "no-store"})

    @routes.post(f"{SESSION}/link")
    async def make_link() -> Response:
        secret = read_request(NewLink, await read_json()).token
        made = links.make(_access_for(system, secret), links.base_of(request.scope))
        return json_response(LoginLink(links=list(made), lives_s=int(CODE_S)), 201, cache_control="no-store")

    @routes.get(LOGIN)
    async def log_in() -> Response:
        answer = Response(b"", 303, {"location": f"{request.root_path}/", "cache-control": "no-store"})
        if request.method == "HEAD" or not needed:
            return answer
        access = links.use(request.args.get("code", ""))
        if access is None or access.token is None or system.tokens.get(access.token.id) is None:
            problem = await wrong_tokens.refusal(request.scope)
            return login_failed_page().response(problem.status, problem.headers)
        answer.headers["set-cookie"] = _cookie(system, access.cookie, COOKIE_S)
        return answer

    return routes


def _answer(access: Access | None, *, needed: bool) -> Response:
    assert access is not None  # noqa: S101 - the gate lets no others in
    name = None if access.token is None else access.token.name
    return json_response(Session(role=access.role, name=name, token_needed=needed), cache_control="no-store")


def _access_for(system: System, secret: str | None) -> Access:
    """The access that a link is to give: that of the token ``secret``, or of the request's own."""
    if not system.tokens.needed:
        raise Conflict("This server needs no token here: open its page as it is.")
    access = (
        access_of(request.scope) if secret is None else access_by(system.tokens, Credential(secret, is_cookie=False))
    )
    if access is None:
        raise InvalidRequest("The request is not valid.", [FieldError("token", "is not a token of this server")])
    return access


def _cookie(system: System, value: str, max_age_s: int) -> str:
    """The header that sets the cookie; only this server's pages send it, over TLS if it came so."""
    secure = "; Secure" if is_secure(request.scope) else ""
    path = request.root_path or "/"
    name = cookie_name(system.tokens)
    return f"{name}={value}; Path={path}; Max-Age={max_age_s}; HttpOnly; SameSite=Strict{secure}"
