"""The built web UI: a few files in memory, served with a policy that lets them talk to this server only."""

from __future__ import annotations

import gzip
import mimetypes
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import attrs
from quart import Blueprint, Response, request

from kinora.web.answers.responses import problem_response
from kinora.web.pages.own_pages import STATIC, Page
from kinora.web.paths import UI_PAGES
from kinora.web.problems import plain_problem

INDEX = "index.html"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HASHED = "assets/"
"""Files below this path have a hash of their content in their name."""


@attrs.frozen
class File:
    """One file of the bundle."""

    body: bytes
    headers: Mapping[str, str]

    @cached_property
    def zipped(self) -> bytes:
        """The compressed body. Blocks for a hundredth of a second at first use, as the start need not wait for that."""
        return gzip.compress(self.body, mtime=0)

    def response(self, *, takes_gzip: bool) -> Response:
        """The answer with the file, compressed if the client accepts that."""
        if takes_gzip and len(self.zipped) < len(self.body):
            return Response(self.zipped, 200, {**self.headers, "content-encoding": "gzip"})
        return Response(self.body, 200, dict(self.headers))


def read_bundle(folder: Path = STATIC) -> Mapping[str, File]:
    """The bundle's files by name; empty if the UI has not been built."""
    if not (folder / INDEX).is_file():
        return {}
    names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
    return {name: _file(name, (folder / name).read_bytes()) for name in names}


def ui_routes(bundle: Mapping[str, File], otherwise: Page) -> Blueprint:
    """The routes of the UI's pages and files; without a bundle, its pages are ``otherwise``."""
    routes = Blueprint("ui", __name__)

    async def page() -> Response:
        return otherwise.response() if INDEX not in bundle else _response(bundle[INDEX])

    for path in UI_PAGES:
        routes.add_url_rule(path, view_func=page)

    @routes.get("/favicon.svg")
    @routes.get(f"/{HASHED}<path:_name>")
    async def file(_name: str = "") -> Response:
        found = bundle.get(request.path.removeprefix("/"))
        return problem_response(plain_problem(404)) if found is None else _response(found)

    return routes


def _response(file: File) -> Response:
    return file.response(takes_gzip=bool(request.accept_encodings["gzip"]))


def _file(name: str, body: bytes) -> File:
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    headers = {
        "content-type": f"{kind}; charset=utf-8" if kind.startswith("text/") else kind,
        "cache-control": "public, max-age=31536000, immutable" if name.startswith(HASHED) else "no-cache",
        "vary": "accept-encoding",
    }
    if name == INDEX:
        headers["content-security-policy"] = POLICY
    return File(body, headers)
