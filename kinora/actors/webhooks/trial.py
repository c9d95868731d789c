"""Tests a webhook: posts a message that is about no job, now and once."""

from __future__ import annotations

import time
import uuid

import attrs
import msgspec
import trio

from kinora.actors.times import utc_now
from kinora.actors.webhooks.receiver import Answer, Message, Receiver
from kinora.actors.webhooks.webhook import Webhook

TEST = "test"
"""The type of the message."""
TEXT = "A test of this webhook. Nothing has happened."


@attrs.frozen
class Tested:
    """What came of a test."""

    id: str
    """Names the message, as the receiver got it."""
    answer: Answer
    took_ms: float
    """From the look-up of the receiver's host to its answer."""


async def test_webhook(name: str, webhook: Webhook) -> Tested:
    """Post a test, as all that is posted to this webhook: signed, and in bounded time."""
    message = _message(name)
    began = trio.current_time()
    answer = await Receiver(webhook).post(message, int(time.time()))
    return Tested(message.id, answer, round((trio.current_time() - began) * 1000, 1))


def _message(webhook: str) -> Message:
    message_id = f"{TEST}/{uuid.uuid4()}"
    payload = {"webhook": webhook, "message": TEXT}
    body = msgspec.json.encode({"type": TEST, "payload": payload, "timestamp": utc_now(), "id": message_id})
    return Message(message_id, TEST, body)
