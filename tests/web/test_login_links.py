"""Codes of login links end by use, by time and by number; and the gate knows no token before the server has started."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from kinora.settings import Settings
from kinora.system import make_system
from kinora.web.access.access_gate import AccessGate
from kinora.web.access.login_links import CODE_S, MAX_CODES, LoginLinks
from kinora.web.access.rights import Access
from kinora.web.access.wrong_tokens import WrongTokens
from tests.access_kit import WRONG_TOKEN, bearer

ACCESS = Access("view")


def code_of(links: LoginLinks) -> str:
    """A new code."""
    return links.make(ACCESS)[0].partition("code=")[2]


async def test_a_code_works_once_and_for_an_hour(autojump_clock: trio.testing.MockClock) -> None:
    """Afterwards it is as one that was never made."""
    links = LoginLinks(["http://box:8000"])
    used, in_time, late = code_of(links), code_of(links), code_of(links)
    assert links.use(used) is ACCESS
    await trio.sleep(CODE_S - 1)
    assert links.use(in_time) is ACCESS
    await trio.sleep(1)
    assert [links.use(code) for code in (used, in_time, late, "x", "", "\ud800")] == [None] * 6


async def test_few_codes_wait_at_once() -> None:  # noqa: ASYNC124 - it needs the clock of Trio
    """A further one takes the place of the oldest."""
    links = LoginLinks(["http://box:8000"])
    codes = [code_of(links) for _ in range(MAX_CODES + 1)]
    assert [links.use(code) for code in codes] == [None, *[ACCESS] * MAX_CODES]


@pytest.mark.parametrize(
    ("host", "scheme", "root_path", "expected"),
    [
        ("127.0.0.1:8000", "http", "", None),
        ("[::1]:8000", "http", "", None),
        ("[::1]", "http", "", None),
        ("localhost", "http", "", None),
        ("192.0.2.1:8000", "http", "", "http://192.0.2.1:8000"),
        ("[2001:db8::1]", "https", "", "https://[2001:db8::1]"),
        ("kinora.example", "https", "/kinora", "https://kinora.example/kinora"),
    ],
)
def test_a_link_has_the_address_by_which_it_was_asked_for(
    host: str, scheme: str, root_path: str, expected: str | None
) -> None:
    """On loopback, where others cannot follow, it has those of the server."""
    scope = {"headers": [(b"host", host.encode())], "scheme": scheme, "root_path": root_path}
    assert LoginLinks(["http://box:8000"]).base_of(scope) == expected


async def test_before_the_start_only_what_is_open_answers(settings: Settings) -> None:
    """The tokens are not known yet, so that neither a right nor a wrong one can be told."""
    answered: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await trio.lowlevel.checkpoint()
        answered.append(scope["path"])

    async def send(message: Any) -> None:
        await trio.lowlevel.checkpoint()
        answered.append(message.get("status"))

    with make_system(settings, token_needed=True) as system:
        gate = AccessGate(app, system, WrongTokens())
        headers = [(name.encode(), value.encode()) for name, value in bearer(WRONG_TOKEN).items()]
        for path in ("/v1/health", "/metrics"):
            await gate({"type": "http", "method": "GET", "path": path, "headers": headers}, None, send)
    assert answered[:2] == ["/v1/health", 503]
