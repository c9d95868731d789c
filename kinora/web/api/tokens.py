"""``/v1/tokens``: making, listing and revoking tokens."""

from __future__ import annotations

from quart import Blueprint, Response, request

from kinora.actors.access.token_request import NewToken
from kinora.actors.requests.flat_request import read_request
from kinora.system import System
from kinora.web.access.rights import TOKENS
from kinora.web.answers.responses import json_response
from kinora.web.documents.access_documents import TokenList, token_info, token_made
from kinora.web.requests.bodies import read_json


def token_routes(system: System) -> Blueprint:
    """All calls under ``/v1/tokens``."""
    routes = Blueprint("tokens", __name__, url_prefix=TOKENS)
    book = system.tokens

    @routes.get("")
    async def list_tokens() -> Response:
        return json_response(TokenList(tokens=[token_info(token) for token in book.all()]), cache_control="no-store")

    @routes.post("")
    async def make() -> Response:
        asked = read_request(NewToken, await read_json())
        token, secret = await book.make(asked.name, asked.role)
        return json_response(token_made(token, secret), 201, cache_control="no-store")

    @routes.delete("/<token_id>")
    async def revoke(token_id: str) -> Response:
        await book.revoke(token_id, spare=request.scope["state"]["use"])
        return Response(b"", 204)

    return routes
