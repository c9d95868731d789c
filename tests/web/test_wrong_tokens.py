"""Wrong tokens are answered ever later, each address by itself, and what is right is compared in the same time."""

from __future__ import annotations

import hmac
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from kinora.actors.access.tokens import MAX_TOKENS, TokenBook, cookie_of
from kinora.actors.errors import Conflict
from kinora.actors.store.store import Store
from kinora.runtime.actor import ActorGone
from kinora.serve import open_server
from kinora.settings import Settings
from kinora.web.access import wrong_tokens
from kinora.web.access.rights import MISSING, WRONG, credential_of, needed_role
from kinora.web.access.wrong_tokens import (
    FIRST_DELAY_S,
    FORGET_S,
    LONGEST_DELAY_S,
    MAX_WAITING,
    MAX_WAITING_OF_ONE,
    TOO_MANY,
    WrongTokens,
)
from kinora.web.scopes import client_network
from tests.access_kit import WRONG_TOKEN, bearer
from tests.client_kit import get


def scope(client: str = "192.0.2.1", path: str = "/v1/jobs", method: str = "GET", **headers: str) -> dict[str, Any]:
    """An ASGI scope of this client."""
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    return {"type": "http", "path": path, "method": method, "headers": raw, "client": (client, 1), "query_string": b""}


async def delay_of(wrong: WrongTokens, client: str = "192.0.2.1") -> float:
    """The seconds for which the answer to a wrong token of this client is held back."""
    before = trio.current_time()
    assert await wrong.refusal(scope(client)) is WRONG
    return trio.current_time() - before


async def test_each_wrong_token_waits_longer(autojump_clock: trio.testing.MockClock) -> None:
    """The delay doubles up to a limit, is that of one address, and is forgotten after a while."""
    wrong = WrongTokens()
    delays = [await delay_of(wrong) for _ in range(7)]
    assert delays == pytest.approx([0.25, 0.5, 1, 2, 4, 5, 5])
    assert await delay_of(wrong, "192.0.2.2") == pytest.approx(FIRST_DELAY_S)
    await trio.sleep(FORGET_S + 1)
    assert await delay_of(wrong) == pytest.approx(FIRST_DELAY_S)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8:0:1::1", "2001:db8::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
def test_an_address_of_ipv6_is_one_with_its_network(first: str, second: str, *, same: bool) -> None:
    """One client may have all addresses of a /64."""
    assert (client_network(scope(first)) == client_network(scope(second))) is same


async def test_few_answers_wait_at_once(autojump_clock: trio.testing.MockClock) -> None:
    """A further one of the address, or of all, is refused at once with 429."""
    wrong = WrongTokens()
    async with trio.open_nursery() as nursery:
        for _ in range(MAX_WAITING_OF_ONE):
            nursery.start_soon(wrong.refusal, scope())
        await trio.testing.wait_all_tasks_blocked()
        assert await wrong.refusal(scope()) is TOO_MANY
        for number in range(MAX_WAITING - MAX_WAITING_OF_ONE):
            nursery.start_soon(wrong.refusal, scope(f"192.0.3.{number}"))
        await trio.testing.wait_all_tasks_blocked()
        assert await wrong.refusal(scope("192.0.4.1")) is TOO_MANY
        assert trio.current_time() == pytest.approx(0)
    assert await delay_of(wrong, "192.0.5.1") == pytest.approx(FIRST_DELAY_S)
    assert int(TOO_MANY.headers["retry-after"]) >= LONGEST_DELAY_S


async def test_few_addresses_are_remembered(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one whose last wrong token is the oldest is forgotten."""
    monkeypatch.setattr(wrong_tokens, "MAX_ADDRESSES", 3)
    wrong = WrongTokens()
    for client in ("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.1", "192.0.2.4"):
        await delay_of(wrong, client)
    assert await delay_of(wrong, "192.0.2.1") == pytest.approx(4 * FIRST_DELAY_S)
    assert await delay_of(wrong, "192.0.2.2") == pytest.approx(FIRST_DELAY_S)


async def test_every_secret_is_compared_with_all_tokens_in_constant_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the place of the right one nor how much of a wrong one is right changes the number of comparisons."""
    store = Store(":memory:")
    book = TokenBook(store, tmp_path / "token", needed=False)
    compared: list[int] = []
    compare = hmac.compare_digest

    def count(first: bytes, second: bytes) -> bool:
        compared.append(len(first))
        assert len(first) == len(second) == 32
        return compare(first, second)

    async with trio.open_nursery() as nursery:
        await nursery.start(store.run)
        secrets = [(await book.make(f"token {number}", "view"))[1] for number in range(5)]
        monkeypatch.setattr(hmac, "compare_digest", count)
        for secret in (secrets[0], secrets[-1], secrets[0][:-1], WRONG_TOKEN, ""):
            assert (book.by_secret(secret) is not None) is (secret in secrets)
            assert (book.by_cookie(cookie_of(secret)) is not None) is (secret in secrets)
            assert len(compared) == 10
            compared.clear()
        nursery.cancel_scope.cancel()


async def test_there_are_so_many_tokens_at_most(tmp_path: Path) -> None:
    """Each request is compared with all of them."""
    store = Store(":memory:")
    book = TokenBook(store, tmp_path / "token", needed=False)
    async with trio.open_nursery() as nursery:
        await nursery.start(store.run)
        async with trio.open_nursery() as making:
            for number in range(MAX_TOKENS):
                making.start_soon(book.make, f"token {number}", "view")
        with pytest.raises(Exception, match="revoke one first"):
            await book.make("one more", "view")
        nursery.cancel_scope.cancel()


async def test_requests_at_once_do_not_make_more_tokens(tmp_path: Path) -> None:
    """Those that are in the making count."""
    store = Store(":memory:")
    book = TokenBook(store, tmp_path / "token", needed=False)
    refused: list[str] = []

    async def make(number: int) -> None:
        try:
            await book.make(f"token {number}", "view")
        except Conflict as error:
            refused.append(str(error))

    async with trio.open_nursery() as nursery:
        await nursery.start(store.run)
        async with trio.open_nursery() as making:
            for number in range(MAX_TOKENS + 20):
                making.start_soon(make, number)
        assert (len(book.all()), len(refused)) == (MAX_TOKENS, 20)
        nursery.cancel_scope.cancel()


async def test_a_token_whose_maker_has_gone_meanwhile_is_not_kept(tmp_path: Path) -> None:
    """Nobody was told it: its name is free again, and no later server knows it."""
    path = tmp_path / "kinora.db"
    store = Store(path)
    book = TokenBook(store, tmp_path / "token", needed=False)
    async with trio.open_nursery() as nursery:
        await nursery.start(store.run)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")  # the token is being written until this ends
            async with trio.open_nursery() as making:
                making.start_soon(book.make, "wall", "view")
                await trio.testing.wait_all_tasks_blocked()
                making.cancel_scope.cancel()
            other.execute("ROLLBACK")
        made, _ = await book.make("wall", "view")
        assert [token.id for token in book.all()] == [token.id for token in await store.tokens()] == [made.id]
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"authorization": "Bearer kin_a"}, ("kin_a", False)),
        ({"authorization": "bearer  kin_a "}, ("kin_a", False)),
        ({"authorization": "Bearer"}, ("", False)),
        ({"authorization": "Bearer kin_\xe9", "cookie": "kinora-1=c"}, ("kin_\xe9", False)),
        ({"authorization": "Basic abc", "cookie": "kinora-1=c"}, ("c", True)),
        ({"cookie": "a=b;kinora-1=c; kinora-1=d"}, ("c", True)),
        ({"cookie": "kinora-2=c; kinora-1; kinora-1="}, None),
        ({}, None),
    ],
)
def test_a_header_comes_before_a_cookie(headers: dict[str, str], expected: tuple[str, bool] | None) -> None:
    """Only Bearer counts, and only this server's cookie."""
    shown = credential_of(scope(**headers), "kinora-1")
    assert (shown and (shown.value, shown.is_cookie)) == expected


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/v1/jobs", "view"),
        ("BREW", "/v1/jobs", "operate"),
        ("OPTIONS", "*", "view"),
        ("GET", "/v1/tokens", "operate"),
        ("GET", "/v1/tokens/", "operate"),
        ("POST", "/v1/health", "operate"),
        ("GET", "/v1/health", None),
        ("GET", "/assets/index.js", None),
        ("POST", "/v1/session", None),
        ("POST", "/v1/session/", "operate"),
        ("GET", "/v1/session", "view"),
        ("POST", "/v1/later", "operate"),
        ("GET", "/later", "view"),
    ],
)
def test_what_is_not_open_is_closed(method: str, path: str, expected: str | None) -> None:
    """Reading needs any token, and all else ``operate``."""
    assert needed_role(scope(path=path, method=method)) == expected
    assert needed_role({**scope(path=path, method="GET"), "type": "websocket"}) is not None


@pytest.mark.parametrize("query", [b"details=1", b"details", b"x=1&%64etails=", b"details=0"])
def test_details_of_the_health_are_not_open(query: bytes) -> None:
    """They tell of the machine."""
    assert needed_role({**scope(path="/v1/health"), "query_string": query}) == "view"
    assert needed_role({**scope(path="/v1/health"), "query_string": b"x=1"}) is None
    assert MISSING.headers["www-authenticate"] == 'Bearer realm="kinora"'


async def test_a_store_that_fails_matters_only_where_a_token_is_needed(tmp_path: Path) -> None:
    """Without tokens the server starts all the same, as with a damaged database."""
    down = Store(tmp_path / "kinora.db")
    await TokenBook(down, tmp_path / "token", needed=False).load()
    with pytest.raises(ActorGone):
        await TokenBook(down, tmp_path / "token", needed=True).load()


@pytest.mark.one_way
async def test_a_right_token_is_never_slowed_down(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is let in at once from an address whose wrong ones wait, and the stop of the server waits for none of them."""
    for name in ("FIRST_DELAY_S", "LONGEST_DELAY_S"):
        monkeypatch.setattr(wrong_tokens, name, 1000.0)
    statuses: list[int] = []

    async def ask(url: str, token: str | None) -> None:
        statuses.append((await get(url, **bearer(token))).status)

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery, open_server(attrs.evolve(settings, token=True)) as server:
            url = f"{server.url}/v1/jobs"
            for _ in range(MAX_WAITING_OF_ONE + 1):
                nursery.start_soon(ask, url, WRONG_TOKEN)
            while not statuses:  # noqa: ASYNC110 - the one that is refused at once is the last
                await trio.lowlevel.checkpoint()
            await ask(url, server.token)
            assert statuses == [429, 200]
    assert statuses[2:] == [401] * MAX_WAITING_OF_ONE
