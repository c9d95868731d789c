"""An upload as it arrives: straight into its file, bounded, and gone again if anything goes wrong."""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, BinaryIO

import attrs
import trio
from quart import request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.sansio.multipart import Data, Epilogue, Event, Field, File, MultipartDecoder, NeedData

from kinora.actors.errors import FieldError, InvalidRequest, Unavailable
from kinora.web.incoming import MAX_JSON_BYTES, decode_json
from kinora.web.problems import Problem

MAX_PARTS = 10
MAX_NAME_LENGTH = 200
MAX_UNDECODED = 256 * 1024
"""Bytes of a form that may wait to be understood, as a part's headers do."""
_SLICE = 64 * 1024
SILENCE_S = 60.0
"""An upload of which nothing comes for this long is given up."""


@attrs.frozen
class Upload:
    """A received form: the job request and the file."""

    request: Any
    """The part ``request``, decoded."""
    name: str
    """What the client calls the file: no path, and nothing that does not print."""
    path: Path
    """Where the file is."""


@asynccontextmanager
async def receive_upload(folder: Path, max_bytes: int) -> AsyncIterator[Upload]:
    """The upload in the current request, saved in ``folder``; if the body raises or is cancelled, it is deleted.

    Raises:
        Problem: 400 for what is no form, 408 if the client falls silent, 413 if it is too large.
        InvalidRequest: a part is missing, unknown or there twice.
        Unavailable: it cannot be saved.
    """
    path = folder / uuid.uuid4().hex
    try:
        form = _Form(path, max_bytes)
        try:
            await form.receive(_boundary())
        except OSError as error:
            raise Unavailable(f"The upload cannot be saved ({error.strerror}): make room on the server.") from error
        yield form.result()
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _boundary() -> bytes:
    boundary = request.mimetype_params.get("boundary", "")
    if not boundary or not boundary.isascii() or len(boundary) > MAX_NAME_LENGTH:
        raise Problem(400, "The form names no boundary: let your HTTP client write Content-Type by itself.")
    return boundary.encode()


class _Form:
    """Takes a form's parts one after the other, the file's in a thread that writes it."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._parts: dict[str, bytearray] = {}
        self._current = ""
        self._name = ""
        self._size = 0

    async def receive(self, boundary: bytes) -> None:
        decoder = MultipartDecoder(boundary, max_form_memory_size=MAX_UNDECODED, max_parts=MAX_PARTS)
        with await trio.to_thread.run_sync(self._path.open, "xb") as file:
            while not decoder.complete:
                for event in _decode(decoder, await self._next_piece()):
                    await self._take(event, file)

    async def _next_piece(self) -> bytes | None:
        with trio.move_on_after(SILENCE_S):
            return await anext(request.body, None)
        raise Problem(408, "The upload fell silent: send it again.")

    async def _take(self, event: Event, file: BinaryIO) -> None:
        if isinstance(event, Field | File):
            self._begin(event)
        elif isinstance(event, Data) and self._current == "file":
            self._size += len(event.data)
            if self._size > self._max_bytes:
                raise Problem(413, f"The file is larger than this server takes: {self._max_bytes:,} bytes.")
            await trio.to_thread.run_sync(file.write, event.data)
        elif isinstance(event, Data):
            self._parts[self._current] += event.data
            if len(self._parts[self._current]) > MAX_JSON_BYTES:
                raise Problem(413, "The part request is larger than this server takes.")

    def _begin(self, part: Field | File) -> None:
        name = part.name if part.name in {"file", "request"} else ""
        if not name or name in self._parts:
            message = "is there twice" if name else "is unknown; a form has the parts file and request"
            raise InvalidRequest("The form cannot be used", [FieldError(str(part.name)[:MAX_NAME_LENGTH], message)])
        self._current = name
        self._parts[name] = bytearray()
        if isinstance(part, File) and name == "file":
            self._name = clean_name(part.filename)

    def result(self) -> Upload:
        missing = [name for name in ("file", "request") if name not in self._parts]
        if missing:
            raise InvalidRequest("The form is not whole", [FieldError(name, "is missing") for name in missing])
        return Upload(decode_json(bytes(self._parts["request"])), self._name or "upload", self._path)


def _decode(decoder: MultipartDecoder, piece: bytes | None) -> Iterator[Event]:
    """The events in the next piece of a form, None being its end."""
    slices = [None] if piece is None else [piece[start : start + _SLICE] for start in range(0, len(piece), _SLICE)]
    try:
        for data in slices:
            decoder.receive_data(data)
            while not isinstance(event := decoder.next_event(), NeedData | Epilogue):
                yield event
    except RequestEntityTooLarge as error:
        raise Problem(413, f"Beside the file the form may have {MAX_PARTS} short parts.") from error
    except (ValueError, LookupError, AttributeError) as error:  # what Werkzeug meets in a form that it did not expect
        raise Problem(400, "The body is no whole multipart/form-data: check how it is made.") from error


def clean_name(filename: str) -> str:
    """What can be shown of the client's name for a file: the last part of its path, printing characters only."""
    last = re.split(r"[/\\]", filename)[-1]
    return "".join(character for character in last if character.isprintable())[-MAX_NAME_LENGTH:]
