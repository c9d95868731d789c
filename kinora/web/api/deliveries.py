"""``/v1/deliveries`` and ``/v1/webhooks``: what is posted to the operator's webhooks, and what comes of it."""

from __future__ import annotations

from typing import cast

import attrs
from quart import Blueprint, Response, request

from kinora.actors.webhooks.delivery_table import Delivery, DeliveryFilter, DeliveryStatus
from kinora.actors.webhooks.webhooks import WebhookState
from kinora.system import System
from kinora.web.answers.responses import json_response
from kinora.web.documents.documents import DeliveryList, DeliveryState, WebhookStatus, WebhookTest
from kinora.web.openapi import parameters


def delivery_routes(system: System) -> Blueprint:
    """The calls under ``/v1/deliveries`` and ``/v1/webhooks``."""
    routes = Blueprint("deliveries", __name__, url_prefix="/v1")

    @routes.get("/deliveries")
    async def list_deliveries() -> Response:
        limit = parameters.DELIVERIES_LIMIT.read(request.args)
        chosen = DeliveryFilter(
            webhook=request.args.get("webhook") or None,
            status=cast("DeliveryStatus | None", parameters.DELIVERY_STATUS.read(request.args)),
            failed=bool(parameters.FAILED.read(request.args)),
        )
        before = parameters.BEFORE.read(request.args)
        found = await system.webhooks.deliveries(chosen, before=before, limit=limit + 1)
        page = found[:limit]
        document = DeliveryList(
            deliveries=[_shown(delivery) for delivery in page],
            next=page[-1].number if len(found) > limit else None,
            webhooks=[_webhook(state) for state in system.webhooks.states()],
        )
        return json_response(document, cache_control="no-store")

    @routes.post("/webhooks/<webhook>/test")
    async def test_webhook(webhook: str) -> Response:
        tested = await system.webhooks.test(webhook)
        document = WebhookTest(
            webhook=webhook,
            id=tested.id,
            accepted=tested.answer.accepted,
            answer=tested.answer.said,
            took_ms=tested.took_ms,
        )
        return json_response(document)

    return routes


def _shown(delivery: Delivery) -> DeliveryState:
    told = attrs.asdict(delivery, filter=attrs.filters.exclude("body", "key"))
    return DeliveryState(id=delivery.key, **told)


def _webhook(state: WebhookState) -> WebhookStatus:
    return WebhookStatus(name=state.name, waiting=state.waiting, **attrs.asdict(state.figures))
