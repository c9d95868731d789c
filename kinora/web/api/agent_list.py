"""``/v1/agents``: the agents that run jobs for this server, and those that it has lost."""

from __future__ import annotations

from hashlib import blake2b

import msgspec
from quart import Blueprint, Response

from kinora.actors.errors import NotFound
from kinora.fleet.agent_state import AgentState
from kinora.system import System
from kinora.web.answers.responses import json_response
from kinora.web.documents.documents import AgentList
from kinora.web.requests.conditions import is_known


def agent_list_routes(system: System) -> Blueprint:
    """The calls that tell of agents."""
    routes = Blueprint("agent_list", __name__, url_prefix="/v1/agents")

    @routes.get("")
    async def list_agents() -> Response:
        return _conditional(AgentList(agents=list(system.agents.agents()), lost=list(system.agents.lost())))

    @routes.get("/<agent_id>")
    async def show(agent_id: str) -> Response:
        found = next((agent for agent in system.agents.agents() if agent.id == agent_id), None)
        if found is None:
            raise NotFound(_missing(system, agent_id))
        return _conditional(found)

    return routes


def _missing(system: System, agent_id: str) -> str:
    lost = next((agent for agent in system.agents.lost() if agent.id == agent_id), None)
    if lost is not None:
        return f"This agent is gone: {lost.reason}"
    return "There is no such agent: GET /v1/agents lists them."


def _conditional(document: AgentList | AgentState) -> Response:
    """The document, or 304 if the client has the same one already."""
    body = msgspec.json.encode(document)
    tag = blake2b(body, digest_size=12).hexdigest()
    headers = {"etag": f'"{tag}"', "cache-control": "no-cache"}
    return Response(b"", 304, headers) if is_known(tag) else json_response(body, etag=f'"{tag}"')
