"""The server's own pages: plain HTML without scripts and external files, with a policy that forbids both."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from typing import Any

import attrs
from quart import Response

UI_PAGES = ("/", "/demo", "/ui-kit")
"""The addresses of the web UI's pages. They hold no data, so a link on another site may open them."""
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 3rem auto; padding: 0 1rem; }
code { font-family: ui-monospace, monospace; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid #8884; }
@media (prefers-color-scheme: dark) { body { background: #111; color: #ddd; } a { color: #8bf; } }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_LINKS = {
    "/docs": "the API's documentation",
    "/openapi.json": "the same as an OpenAPI document",
    "/v1/jobs": "all jobs",
    "/v1/plugins": "all plugins",
    "/v1/devices": "the devices that jobs can run on",
    "/v1/ready": "the server's readiness for new jobs",
    "/metrics": "metrics for Prometheus",
}


@attrs.frozen
class Page:
    """A whole HTML page."""

    html: str

    def response(self) -> Response:
        """The answer with the page and its policy."""
        headers = {"content-type": "text/html; charset=utf-8", "content-security-policy": _POLICY}
        return Response(self.html, 200, headers | {"cache-control": "no-cache"})


def no_ui_page() -> Page:
    """The page that stands in for a web UI that has not been built."""
    links = "".join(
        f'<li><a href="{path}"><code>{path}</code></a>: {escape(text)}</li>' for path, text in _LINKS.items()
    )
    return _page(
        "Kinora",
        "<p>The server runs, but its web UI has not been built: install Node 22 or newer and run "
        "<code>make</code> again. Everything else works:</p>"
        f"<ul>{links}</ul><p>To see a job: <code>kinora submit demo: -p motion</code>, "
        "then <code>kinora watch</code>.</p>",
    )


def docs_page(document: Mapping[str, Any]) -> Page:
    """The OpenAPI document as a page for people."""
    rows = "".join(
        _row(method, path, call) for path, item in document["paths"].items() for method, call in item.items()
    )
    head = "<tr><th>Call</th><th>What it does</th><th>Parameters</th><th>Answers</th></tr>"
    intro = f'<p>{escape(document["info"]["description"])} See <a href="/openapi.json">openapi.json</a>.</p>'
    return _page("Kinora API", f"{intro}<table>{head}{rows}</table>")


def _row(method: str, path: str, call: Mapping[str, Any]) -> str:
    parameters = "<br>".join(
        f"<code>{escape(parameter['name'])}</code> {escape(parameter['description'])}"
        for parameter in call.get("parameters", ())
    )
    answers = "<br>".join(
        f"{escape(status)} {escape(answer['description'])}"
        for status, answer in call["responses"].items()
        if "$ref" not in answer
    )
    problems = ", ".join(status for status, answer in call["responses"].items() if "$ref" in answer)
    answers += f"<br>problems: {escape(problems)}"
    call_text = f"<code>{method.upper()} {escape(path)}</code>"
    return f"<tr><td>{call_text}</td><td>{escape(call['summary'])}</td><td>{parameters}</td><td>{answers}</td></tr>"


def _page(title: str, body: str) -> Page:
    return Page(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>{body}</body></html>"
    )
