"""Receives an upload: it is written to a file as it arrives, is limited in size, and is deleted if anything fails."""

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
from kinora.runtime.files.private_files import private_opener
from kinora.web.problems import Problem
from kinora.web.requests.bodies import MAX_JSON_BYTES, decode_json
from kinora.web.requests.incoming import sender
from kinora.web.requests.upload_room import Arriving, UploadRoom

MAX_PARTS = 10
MAX_NAME_LENGTH = 200
MAX_UNDECODED = 256 * 1024
"""The most bytes of a form that wait to be decoded, such as the headers of a part."""
_SLICE = 64 * 1024
SILENCE_S = 60.0
"""An upload is given up if nothing arrives for this long."""
LEAST_BYTES_PER_S = 4 * 1024
"""An upload is given up once it is ``SILENCE_S`` behind this rate, from its beginning on."""


@attrs.frozen
class Upload:
    """A received form: the job request and the file."""

    request: Any
    """The decoded part ``request``."""
    name: str
    """The client's name for the file, without a path and unprintable characters."""
    path: Path
    """The place of the saved file."""


@asynccontextmanager
async def receive_upload(folder: Path, max_bytes: int, room: UploadRoom) -> AsyncIterator[Upload]:
    """Save the upload in the current request in ``folder``; delete it if the block raises or is cancelled.

    Room is looked for before the body is read, and again while it arrives.

    Raises:
        Problem: 400 if the body is not a form, 408 if the client stops sending, is too slow or has to make room, 413 if
            the upload is too large, 503 if too many arrive.
        InvalidRequest: a part is missing, unknown or sent twice.
        Unavailable: the upload cannot be saved.
    """
    path = folder / uuid.uuid4().hex
    try:
        form = _Form(path, max_bytes)
        try:
            with room.admit(sender(), request.content_length) as arriving:
                await form.receive(_boundary(), arriving)
        except OSError as error:
            raise Unavailable(f"The upload cannot be saved ({error.strerror}): free space on the server.") from error
        yield form.result()
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _boundary() -> bytes:
    boundary = request.mimetype_params.get("boundary", "")
    if not boundary or not boundary.isascii() or len(boundary) > MAX_NAME_LENGTH:
        raise Problem(400, "The form's Content-Type has no valid boundary: let your HTTP client write that header.")
    return boundary.encode()


class _Form:
    """Receives a form's parts one by one, and writes the file in a thread."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._parts: dict[str, bytearray] = {}
        self._current = ""
        self._name = ""
        self._size = 0
        self._began = trio.current_time()
        self._received = 0

    async def receive(self, boundary: bytes, arriving: Arriving) -> None:
        decoder = MultipartDecoder(boundary, max_form_memory_size=MAX_UNDECODED, max_parts=MAX_PARTS)
        with await trio.to_thread.run_sync(self._open) as file:
            while not decoder.complete:
                piece = await self._next_piece()
                for event in _decode(decoder, piece):
                    await self._take(event, file)
                arriving.add(len(piece or b""))

    def _open(self) -> BinaryIO:
        return open(self._path, "xb", opener=private_opener)

    async def _next_piece(self) -> bytes | None:
        due = self._began + SILENCE_S + self._received / LEAST_BYTES_PER_S
        with trio.move_on_after(SILENCE_S), trio.move_on_at(due):
            piece = await anext(request.body, None)
            self._received += len(piece or b"")
            return piece
        if trio.current_time() >= due:
            raise Problem(408, f"The upload is too slow: send at least {LEAST_BYTES_PER_S:,} bytes a second.")
        raise Problem(408, f"No data of the upload arrived for {SILENCE_S:.0f} s: send it again.")

    async def _take(self, event: Event, file: BinaryIO) -> None:
        if isinstance(event, Field | File):
            self._begin(event)
        elif isinstance(event, Data) and self._current == "file":
            self._size += len(event.data)
            if self._size > self._max_bytes:
                raise Problem(413, f"The file is too large: this server accepts up to {self._max_bytes:,} bytes.")
            await trio.to_thread.run_sync(file.write, event.data)
        elif isinstance(event, Data):
            self._parts[self._current] += event.data
            if len(self._parts[self._current]) > MAX_JSON_BYTES:
                raise Problem(413, f"The part request is too large: send up to {MAX_JSON_BYTES:,} bytes.")

    def _begin(self, part: Field | File) -> None:
        name = part.name if part.name in {"file", "request"} else ""
        if not name or name in self._parts:
            message = "was sent twice: send it once" if name else "is unknown: send the parts file and request only"
            raise InvalidRequest("The form is not valid.", [FieldError(str(part.name)[:MAX_NAME_LENGTH], message)])
        self._current = name
        self._parts[name] = bytearray()
        if isinstance(part, File) and name == "file":
            self._name = clean_name(part.filename)

    def result(self) -> Upload:
        missing = [name for name in ("file", "request") if name not in self._parts]
        if missing:
            raise InvalidRequest("A part of the form is missing.", [FieldError(name, "is missing") for name in missing])
        return Upload(decode_json(bytes(self._parts["request"])), self._name or "upload", self._path)


def _decode(decoder: MultipartDecoder, piece: bytes | None) -> Iterator[Event]:
    """The events in the next piece of a form; ``piece`` is None at its end."""
    slices = [None] if piece is None else [piece[start : start + _SLICE] for start in range(0, len(piece), _SLICE)]
    try:
        for data in slices:
            decoder.receive_data(data)
            while not isinstance(event := decoder.next_event(), NeedData | Epilogue):
                yield event
    except RequestEntityTooLarge as error:
        raise Problem(413, "The form has too many or too long parts: send the parts file and request only.") from error
    except (ValueError, LookupError, AttributeError) as error:  # Werkzeug raises these for a malformed form
        raise Problem(400, "The body is not valid multipart/form-data: check the program that sends it.") from error


def clean_name(filename: str) -> str:
    """The client's name for a file in a form fit to show: the last part of its path, printable characters only."""
    last = re.split(r"[/\\]", filename)[-1]
    return "".join(character for character in last if character.isprintable())[-MAX_NAME_LENGTH:]
