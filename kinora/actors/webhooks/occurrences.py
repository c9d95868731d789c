"""What a message tells, as far as webhooks choose by it, and the id of one that is posted."""

from __future__ import annotations

from hashlib import blake2b

import msgspec

from kinora.actors.messages import CompletePayload, EventPayload, Payload, WarningPayload
from kinora.actors.webhooks.webhook import COMPLETE, EVENT, WARNING, Occurrence

DIGEST_BYTES = 8
"""The bytes of a digest in an id: two messages of one job never have the same one by chance."""


def occurrence_of(payload: Payload) -> Occurrence | None:
    """What the message tells; None for messages that are never posted."""
    match payload:
        case CompletePayload(status=status):
            return Occurrence(COMPLETE, status, None)
        case EventPayload(kind=kind, plugin=plugin, number=number):
            return Occurrence(EVENT, kind, plugin, number)
        case WarningPayload(code=code, plugin=plugin):
            return Occurrence(WARNING, str(code), plugin)
        case _:
            return None


def id_of(payload: Payload) -> str:
    """Return the id of a message that is posted: the same whenever the same is told, also by a restarted server.

    A server that was killed processes its last frames again, and their events may come out differently. So an event of
    the same number that says something else has another id.
    """
    job = f"{payload.job_id}/{payload.type}"
    match payload:
        case CompletePayload(status="interrupted", frames=frames):  # it may be resumed, and end once more
            return f"{job}/interrupted/{frames}"
        case CompletePayload():
            return job
        case EventPayload(number=number):
            return f"{job}/{number}/{_digest(payload)}"
        case _:
            return f"{job}/{_digest(payload)}"


def _digest(payload: Payload) -> str:
    return blake2b(msgspec.json.encode(payload), digest_size=DIGEST_BYTES).hexdigest()
