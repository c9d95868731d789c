"""The server's own pages: plain HTML without scripts, in the web UI's look, with a policy that allows its font only.

Their links are relative, as a proxy may show them under a path of its own.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

import attrs
from quart import Response

from kinora.web.openapi.answers import ALWAYS

STATIC = Path(__file__).parents[1] / "static"
"""The folder that the web UI's build writes to."""
_FONT = next(STATIC.glob("assets/geist-latin-wght-normal-*.woff2"), None)
"""The UI's font, if the UI has been built."""
_FACE = (
    f"@font-face {{ font-family: Geist; font-weight: 100 900; font-display: swap; src: url(./assets/{_FONT.name}); }}"
    if _FONT
    else ""
)
_RULES = """
:root { color-scheme: light dark; --bg: light-dark(#f0f3f6, #10161e); --surface: light-dark(#fff, #19212c);
  --sunken: light-dark(#e7ebef, #0b1016); --line: light-dark(#dfe4ea, #2c3848); --text: light-dark(#0f171f, #eef3f8);
  --soft: light-dark(#4c5966, #a7b5c6); --accent: light-dark(#0b6b62, #3ee0c9); }
* { box-sizing: border-box; }
body { margin: 0; font: 15px/1.5 Geist, system-ui, sans-serif; color: var(--text); background: var(--bg); }
main { max-width: 68rem; margin: 0 auto; padding: 1rem; }
header { display: flex; align-items: center; gap: 1rem; padding: .6rem 1rem; }
header a { color: var(--soft); text-decoration: none; font-weight: 550; padding: .4rem .5rem; }
header a:hover, header a[aria-current] { color: var(--text); }
header a[href="./"] { color: var(--text); font-weight: 650; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
h1 { font-size: 2rem; line-height: 1.15; letter-spacing: -.02em; font-weight: 650; margin: .5rem 0; }
h2 { font-size: 1.05rem; margin: 0; overflow-wrap: anywhere; }
h3 { font-size: .85rem; margin: .8rem 0 .2rem; color: var(--soft); }
p { margin: .3rem 0; }
p + section { margin-top: .9rem; }
a { color: var(--accent); }
code, pre { font-family: ui-monospace, monospace; font-size: .85rem; }
pre { margin: .3rem 0; padding: .6rem; background: var(--sunken); border-radius: .5rem;
  white-space: pre-wrap; overflow-wrap: anywhere; }
section { margin: 0 0 .8rem; padding: .9rem 1rem; background: var(--surface);
  border-radius: .75rem; box-shadow: 0 1px 3px #0003; }
dl { margin: 0; display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: .15rem 1rem; }
dt, dd { margin: 0; overflow-wrap: anywhere; }
dd, .soft { color: var(--soft); }
.method { display: inline-block; min-width: 4rem; color: var(--accent); }
@media (pointer: coarse), (max-width: 48rem) {
  p a { display: inline-block; padding: .7rem 0; margin: -.7rem 0; }
  header a { padding: .7rem .5rem; }
}
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; } dd { margin-bottom: .4rem; } }
"""
_STYLE = _FACE + _RULES
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; font-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
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

    def response(self, status: int = 200, others: Mapping[str, str] | None = None) -> Response:
        """The answer with the page, its policy and ``others``, further headers."""
        headers = {"content-type": "text/html; charset=utf-8", "content-security-policy": _POLICY}
        return Response(self.html, status, headers | {"cache-control": "no-cache"} | dict(others or {}))


def no_ui_page() -> Page:
    """The page that stands in for a web UI that has not been built."""
    links = "".join(
        f'<li><a href=".{path}"><code>{path}</code></a>: {escape(text)}</li>' for path, text in _LINKS.items()
    )
    return _page(
        "Kinora",
        "<p>The server runs, but its web UI has not been built: install Node 22 or newer and run "
        "<code>make</code> again. Everything else works:</p>"
        f"<ul>{links}</ul><p>To see a job: <code>kinora submit demo: -p motion</code>, "
        "then <code>kinora watch</code>.</p>",
    )


def login_failed_page() -> Page:
    """The page for a login link that does not work."""
    return _page(
        "This link does not work any more",
        "<p>It was used before, or is too old. Make a new one where the server runs: "
        '<code>kinora token link</code>. Or give a token on <a href="./">the server\'s page</a>.</p>',
    )


def docs_page(document: Mapping[str, Any]) -> Page:
    """The OpenAPI document as a page for people: each call with its parameters, its body and its answers."""
    calls = "".join(
        _call(method, path, call) for path, item in document["paths"].items() for method, call in item.items()
    )
    about, always = escape(document["info"]["description"]), ", ".join(map(str, ALWAYS))
    intro = (
        f'<p>{about} See <a href="openapi.json">openapi.json</a> for the schemas.</p>'
        f'<p class="soft">Any call can be answered with {always}: a problem in JSON that says what to do.</p>'
    )
    return _page("Kinora API", intro + calls)


def _call(method: str, path: str, call: Mapping[str, Any]) -> str:
    given = _terms((parameter["name"], parameter["description"]) for parameter in call.get("parameters", ()))
    answers = _terms(
        (status, answer["description"]) for status, answer in call["responses"].items() if "$ref" not in answer
    )
    problems = [
        status for status, answer in call["responses"].items() if "$ref" in answer and int(status) not in ALWAYS
    ]
    refused = f'<p class="soft">Problems of its own: {", ".join(problems)}.</p>' if problems else ""
    parts = (("Parameters", given), ("Body", _body(call.get("requestBody"))), ("Answers", answers + refused))
    inside = "".join(f"<h3>{title}</h3>{html}" for title, html in parts if html)
    head = f'<h2><span class="method">{method.upper()}</span> <code>{escape(path)}</code></h2>'
    return f"<section>{head}<p>{escape(call['summary'])}</p>{inside}</section>"


def _body(body: Mapping[str, Any] | None) -> str:
    """Each media type that the call takes, with its schema's name and its examples, or its parts."""
    html = ""
    for media_type, taken in (body or {}).get("content", {}).items():
        schema = taken["schema"]
        parts = ", ".join(f"{name} ({_schema_name(part)})" for name, part in schema.get("properties", {}).items())
        html += f"<p><code>{escape(media_type)}</code>: {escape(parts or _schema_name(schema))}</p>"
        for example in taken.get("examples", {}).values():
            html += f"<pre>{escape(json.dumps(example['value'], indent=1))}</pre>"
    return html


def _schema_name(schema: Mapping[str, Any]) -> str:
    return str(schema.get("$ref", schema.get("format", schema.get("type", "")))).rpartition("/")[2]


def _terms(terms: Iterable[tuple[str, str]]) -> str:
    rows = "".join(f"<dt><code>{escape(name)}</code></dt><dd>{escape(text)}</dd>" for name, text in terms)
    return f"<dl>{rows}</dl>" if rows else ""


def _page(title: str, body: str) -> Page:
    return Page(
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
        '<header><a href="./">Kinora</a> <a href="./#/plugins">Plugins</a> <a href="./docs">API</a></header>'
        f"<main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )
