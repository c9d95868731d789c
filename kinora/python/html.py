"""Frames and runs as notebooks show them."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

import msgspec

from kinora.python.errors import PictureGone, RunError

if TYPE_CHECKING:
    from kinora.python.frame import RunFrame

SHOWN_WIDTH = 640
"""Pixels; a wider picture is shown smaller."""
JPEG_QUALITY = 85
MAX_TEXT = 200
"""The most characters of one result in a table."""
MAX_WARNINGS = 10
"""The most warnings that are listed; then their number stands for the rest."""


def frame_html(frame: RunFrame) -> str:
    """The picture with the results drawn in, then a line for each plugin."""
    rows = [(name, f"{len(result.detections)} detections", _brief(result)) for name, result in frame.results.items()]
    rows += [(name, "failed", message) for name, message in frame.errors.items()]
    title = f"frame {frame.index}, {frame.timestamp_ms / 1000:.2f} s"
    return f"<figure>{_picture(frame)}<figcaption>{title}</figcaption></figure>{_table(rows)}"


def run_html(state: Mapping[str, Any], frames: int, warnings: tuple[str, ...]) -> str:
    """The state of a run, a line for each plugin, and its warnings."""
    head = f"{state['source']}: {state['status']}, {frames} frames" + (f" ({state['error']})" if state["error"] else "")
    rows = [(name, stage["status"], f"{stage['frames']} frames") for name, stage in state["plugins"].items()]
    more = [f"… and {len(warnings) - MAX_WARNINGS} more"] if len(warnings) > MAX_WARNINGS else []
    listed = "".join(f"<li>{escape(text)}</li>" for text in (*warnings[:MAX_WARNINGS], *more))
    return f"<p>{escape(head)}</p>{_table(rows)}" + (f"<ul>{listed}</ul>" if listed else "")


def _picture(frame: RunFrame) -> str:
    import cv2  # noqa: PLC0415 - takes long to import

    try:
        picture = frame.plot()
    except PictureGone:
        return "<em>Its picture was there in its turn of the loop: frame.keep() keeps it</em>"
    except RunError as error:
        return f"<em>{escape(str(error))}</em>"
    if picture.shape[1] > SHOWN_WIDTH:
        height = round(picture.shape[0] * SHOWN_WIDTH / picture.shape[1])
        picture = cv2.resize(picture, (SHOWN_WIDTH, max(1, height)), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    _, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    data = base64.b64encode(encoded.tobytes()).decode()
    return f'<img src="data:image/jpeg;base64,{data}" alt="frame {frame.index}">'


def _brief(result: Mapping[str, Any]) -> str:
    text = msgspec.json.encode({key: value for key, value in result.items() if key != "detections"}).decode()
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    lines = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table>{body}</table>" if body else ""
