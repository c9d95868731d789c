"""The tokens that let clients in: made, found, and revoked with all that runs for them."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs
import trio

from kinora.actors.access.local_token import read_secret, write_secret
from kinora.actors.errors import Conflict, NotFound, Unavailable
from kinora.actors.store.store import Store
from kinora.actors.store.token_table import Role, Token
from kinora.actors.times import utc_now
from kinora.runtime.actor import ActorGone

PREFIX = "kin_"
"""The beginning of every secret, by which people and scanners of secrets know it."""
SECRET_BYTES = 32
"""The random bytes of a secret: 256 bits, so that neither guessing nor a search for a digest's origin has a chance."""
ID_BYTES = 4
MAX_TOKENS = 200
"""The most tokens: each request is compared with all of them. A further one is refused until one is revoked."""
USE_NOTED_S = 60.0
"""A token's use is written to disk so often at most."""
LOCAL = "local"
"""The name of the token whose secret is kept in the data folder, for the commands of this machine."""


def cookie_of(secret: str) -> str:
    """The value of the cookie that stands for the token ``secret``; it does not tell the secret."""
    return hmac.digest(secret.encode(), b"kinora cookie", "sha256").hex()


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


class TokenBook:
    """All tokens, kept in memory and stored as digests. ``load`` comes first.

    Args:
        store: where tokens are kept.
        file: the file of the local token's secret.
        needed: True if clients need a token. Then a local token is made if there is none.
    """

    def __init__(self, store: Store, file: Path, *, needed: bool) -> None:
        self.needed = needed
        self.file = file
        self.folder_id = ""
        """The id of the data folder, for the cookie's name; cookies of servers on other ports have another one."""
        self.local_secret: str | None = None
        """The secret of the local token, if one is needed."""
        self._store = store
        self._tokens: dict[str, Token] = {}
        self._making = 0
        """The tokens that are being stored."""
        self._undeleted: set[str] = set()
        """The ids of revoked tokens that the store still has, as it failed."""
        self._noted: dict[str, float] = {}
        """The id of a token → the time at which its use was noted last."""
        self._in_use: defaultdict[str, set[trio.CancelScope]] = defaultdict(set)
        """The id of a token → what runs for it."""

    async def load(self) -> None:
        """Read the tokens from the store and, if one is needed, the local token from its file; make it if need be.

        Where none is needed, a store that fails does not matter.

        Raises:
            Unavailable, ActorGone: the store fails.
            OSError: the file cannot be read or written.
        """
        with suppress(*(() if self.needed else (Unavailable, ActorGone))):
            self.folder_id = await self._store.folder_id()
            self._tokens = {token.id: token for token in await self._store.tokens()}
        if not self.needed:
            return
        secret = await trio.to_thread.run_sync(read_secret, self.file)
        if secret is None or self.by_secret(secret) is None:
            secret = await self._make_local()
        self.local_secret = secret

    async def _make_local(self) -> str:
        """Make the local token; an earlier one of the name ends, as nothing on this machine can use it any more."""
        for token in self.all():
            if token.name == LOCAL:
                await self.revoke(token.id)
        _, secret = await self.make(LOCAL, "operate")
        await trio.to_thread.run_sync(write_secret, self.file, secret)
        return secret

    def all(self) -> Sequence[Token]:
        """All tokens, the first to be made first."""
        return tuple(self._tokens.values())

    def get(self, token_id: str) -> Token | None:
        """The token of this id, if it is not revoked."""
        return self._tokens.get(token_id)

    def by_secret(self, secret: str) -> Token | None:
        """The token with this secret. The time that it takes does not depend on how much of ``secret`` is right."""
        return self._find(_digest(secret), lambda token: token.digest)

    def by_cookie(self, cookie: str) -> Token | None:
        """The token that this cookie stands for, as :meth:`by_secret`."""
        return self._find(_digest(cookie), lambda token: token.cookie_digest)

    def _find(self, digest: bytes, of: Callable[[Token], bytes]) -> Token | None:
        found = None
        for token in self._tokens.values():  # all of them, so that the time does not tell which one it was
            if hmac.compare_digest(of(token), digest):
                found = token
        return found

    async def make(self, name: str, role: Role) -> tuple[Token, str]:
        """Make a token; return it and its secret, which is told this once. If cancelled, there is no such token.

        Raises:
            Conflict: the name is taken, or there are ``MAX_TOKENS``.
        """
        if len(self._tokens) + self._making >= MAX_TOKENS:
            raise Conflict(f"There are {MAX_TOKENS} tokens, the most that are allowed: revoke one first.")
        secret = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
        digests = _digest(secret), _digest(cookie_of(secret))
        token = Token(secrets.token_hex(ID_BYTES), name, role, utc_now(), None, *digests)
        self._making += 1
        try:
            await self._store.add_token(token)
        except trio.Cancelled:
            self._store.delete_token_soon(token.id)  # it may be stored by now
            raise
        finally:
            self._making -= 1
        self._tokens[token.id] = token
        return token, secret

    async def revoke(self, token_id: str, *, spare: trio.CancelScope | None = None) -> None:
        """Delete a token, and cancel all that runs for it but ``spare``. Nothing is let in by it from the call on.

        If the store fails, the next server would know the token again: then revoke it once more.

        Raises:
            NotFound: there is no such token.
        """
        if self._tokens.pop(token_id, None) is None and token_id not in self._undeleted:
            raise NotFound("There is no such token: see GET /v1/tokens for those that exist.")
        self._undeleted.add(token_id)
        self._noted.pop(token_id, None)
        for scope in self._in_use.pop(token_id, set()) - {spare}:
            scope.cancel(reason="its token was revoked")
        try:
            await self._store.delete_token(token_id)
        except trio.Cancelled:
            self._store.delete_token_soon(token_id)
            raise
        self._undeleted.discard(token_id)

    @contextmanager
    def using(self, token: Token) -> Iterator[trio.CancelScope]:
        """Run the block for the holder of a token that was just found; it is cancelled when the token is revoked."""
        self._note_use(token)
        with trio.CancelScope() as scope:
            self._in_use[token.id].add(scope)
            try:
                yield scope
            finally:
                self._forget(token.id, scope)

    def _forget(self, token_id: str, scope: trio.CancelScope) -> None:
        if token_id in self._in_use:
            self._in_use[token_id].discard(scope)
            if not self._in_use[token_id]:
                del self._in_use[token_id]

    def _note_use(self, token: Token) -> None:
        now = trio.current_time()
        if token.id in self._tokens and now - self._noted.get(token.id, -USE_NOTED_S) >= USE_NOTED_S:
            self._noted[token.id] = now
            used = attrs.evolve(self._tokens[token.id], last_used_at=utc_now())
            self._tokens[token.id] = used
            self._store.note_token_use_soon(token.id, used.last_used_at or "")
