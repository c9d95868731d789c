"""Parts of an answer: one range of its bytes, as RFC 9110 §14 has it."""

from __future__ import annotations

from collections.abc import Mapping

from werkzeug.datastructures import Headers
from werkzeug.http import parse_range_header, quote_etag

from kinora.web.problems import Problem


def wanted_part(method: str, headers: Headers, size: int, tag: str) -> range | None:
    """Return the bytes that a request wants of a body of ``size`` bytes, or None if it wants all.

    A request for several ranges, or one that does not make sense, gets all. So does one with an ``If-Range`` that does
    not name ``tag``, which is without its quotes: the client has a part of something else.

    Raises:
        Problem: 416 if there are no such bytes.
    """
    wanted = parse_range_header(headers.get("Range")) if method == "GET" else None
    if wanted is None or wanted.units != "bytes" or len(wanted.ranges) != 1:
        return None
    if headers.get("If-Range", quote_etag(tag)) != quote_etag(tag):
        return None
    start, stop = wanted.ranges[0]
    part = range(size)[start:stop]
    if not part:
        detail = f"There are no such bytes: the file has {size:,}, counted from 0."
        raise Problem(416, detail, headers={"content-range": f"bytes */{size}", "accept-ranges": "bytes"})
    return part


def status_and_headers(part: range | None, size: int) -> tuple[int, Mapping[str, str]]:
    """The status of an answer with these bytes, and the headers that say which they are."""
    if part is None:
        return 200, {"accept-ranges": "bytes", "content-length": str(size)}
    about = {"content-range": f"bytes {part.start}-{part.stop - 1}/{size}", "content-length": str(len(part))}
    return 206, {"accept-ranges": "bytes", **about}
