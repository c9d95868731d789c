"""Tells of messages what webhooks choose by."""

from __future__ import annotations

from hashlib import blake2b

from kinora.actors.messages import CompletePayload, EventPayload, Payload, WarningPayload
from kinora.actors.webhooks.webhook import COMPLETE, EVENT, WARNING, Occurrence


def occurrence_of(payload: Payload) -> Occurrence | None:
    """What the message tells; None for messages that are never posted."""
    match payload:
        case CompletePayload(status="interrupted", frames=frames):  # it may be resumed, and end once more
            return Occurrence(COMPLETE, "interrupted", None, f"{COMPLETE}/interrupted/{frames}")
        case CompletePayload(status=status):
            return Occurrence(COMPLETE, str(status), None, COMPLETE)
        case EventPayload(kind=kind, plugin=plugin, number=number):
            return Occurrence(EVENT, kind, plugin, f"{EVENT}/{number}", number)
        case WarningPayload(code=code, plugin=plugin, message=message, count=count):
            digest = blake2b(f"{plugin}/{code}/{message}".encode(), digest_size=8).hexdigest()
            return Occurrence(WARNING, str(code), plugin, f"{WARNING}/{digest}/{count}")
        case _:
            return None
