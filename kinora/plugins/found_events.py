"""The events that a plugin reports: with ``context.event``, or as ``events`` in the result of a frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from kinora.plugins.failures import valid
from kinora.plugins.forms.results import BadResult, encode_value
from kinora.plugins.protocol import (
    EVENT_BYTES,
    KIND_CHARACTERS,
    MAX_EVENTS,
    MESSAGE_CHARACTERS,
    Event,
)

KIND = f"the kind of an event must be text of 1 to {KIND_CHARACTERS} characters"
EVENTS_FORM = 'events must be a list of {"kind": "…", "message": "…", "data": {…}}'
TOO_MANY = f"reported more than {MAX_EVENTS} events on one frame; those after them are left out"


def make_event(kind: object, message: object, data: object) -> tuple[Event, str | None]:
    """Return an event, and a sentence about what of its data is lost; None if nothing is.

    Raises:
        ValueError: the kind is not a text of 1 to ``KIND_CHARACTERS`` characters.
    """
    if not isinstance(kind, str) or not 0 < len(kind) <= KIND_CHARACTERS:
        raise ValueError(f"{KIND}, not {str(kind)[:100]!r}")
    text = "" if message is None else valid(str(message))[:MESSAGE_CHARACTERS]
    try:
        encoded = encode_value(data)
    except BadResult as error:
        return Event(kind=valid(kind), message=text), f"the data of an event was left out: {error}"
    if len(encoded.data) > EVENT_BYTES:
        fault = f"the data of an event was left out: it is {len(encoded.data)} bytes of JSON, more than {EVENT_BYTES}"
        return Event(kind=valid(kind), message=text), fault
    lost = None if encoded.fault is None else f"in the data of an event, {encoded.fault}"
    return Event(kind=valid(kind), message=text, data=encoded.data), lost


def events_in(result: bytes) -> tuple[Sequence[Event], str | None]:
    """Return the events in a frame's result, which is JSON text, and a sentence about the first that cannot be read."""
    if b'"events"' not in result:
        return (), None
    given = msgspec.json.decode(result).get("events")
    if given is None:
        return (), None
    if not isinstance(given, list):
        return (), EVENTS_FORM
    events, faults = list[Event](), list[str]()
    for entry in given[:MAX_EVENTS]:
        event, fault = _read(entry)
        events += [] if event is None else [event]
        faults += [] if fault is None else [fault]
    if len(given) > MAX_EVENTS:
        faults.append(TOO_MANY)
    return events, faults[0] if faults else None


def _read(entry: Any) -> tuple[Event | None, str | None]:
    if not isinstance(entry, Mapping):
        return None, EVENTS_FORM
    try:
        return make_event(entry.get("kind"), entry.get("message"), entry.get("data"))
    except ValueError as error:
        return None, str(error)
