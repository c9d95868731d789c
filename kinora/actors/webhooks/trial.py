"""The message that tests a webhook: it is about no job, and posted once."""

from __future__ import annotations

import uuid

import attrs
import msgspec

from kinora.actors.times import utc_now
from kinora.actors.webhooks.outcome import Answer
from kinora.actors.webhooks.receiver import Message

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


def trial_message(webhook: str) -> Message:
    """A new message for the webhook of this name, in the form of all others."""
    message_id = f"{TEST}/{uuid.uuid4()}"
    payload = {"webhook": webhook, "message": TEXT}
    body = msgspec.json.encode({"type": TEST, "payload": payload, "timestamp": utc_now(), "id": message_id})
    return Message(message_id, TEST, body)
