"""A server's REST calls as methods."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import attrs
import msgspec
import trio

from kinora.client.errors import ClientError, refused
from kinora.client.http import OK, Answer, Body, Write, fetch
from kinora.client.token import token_of_environment

if TYPE_CHECKING:
    from kinora.client.push import Pushing


@attrs.frozen
class Submitted:
    """A job that the server has accepted."""

    job_id: str
    last_event_id: str | None
    """Connecting with it gives every message about the job; None if the server has no realtime side."""
    response: dict[str, Any]
    """The whole answer, a JobResponse without frames."""


def _or_of_environment(token: str | None) -> str | None:
    return token or token_of_environment()


@attrs.define(eq=False)
class KinoraClient:
    """A server's REST API; each call opens a connection of its own.

    ``token`` is shown to the server; without one, that in ``KINORA_TOKEN`` or in the file ``KINORA_TOKEN_FILE``.
    Every method raises :class:`~kinora.client.ClientError`, with the server's own sentence, if the server refuses.
    """

    url: str
    token: str | None = attrs.field(default=None, repr=False, converter=_or_of_environment)
    ca_file: str | Path | None = None
    """A file of certificates to trust beside the machine's, in PEM; None stands for the one that ``KINORA_CA_FILE``
    names."""

    async def ready(self) -> None:
        """Get ready for a call; each one begins with this."""
        await trio.lowlevel.checkpoint()

    async def submit(self, request: Mapping[str, Any], *, idempotency_key: str | None = None) -> Submitted:
        """Start a job on a source that the server can reach; ``request`` is the JSON of ``POST /v1/jobs``."""
        return await self._post_job(Body("application/json", msgspec.json.encode(request)), idempotency_key)

    async def upload(self, path: Path, request: Mapping[str, Any], *, idempotency_key: str | None = None) -> Submitted:
        """Start a job on a file of this machine; ``request`` is that of :meth:`submit` without ``source``."""
        try:
            size = (await trio.Path(path).stat()).st_size
            body = _multipart_body(path, size, msgspec.json.encode(request))
            return await self._post_job(body, idempotency_key)
        except OSError as error:
            raise ClientError(f"{path} cannot be read: {error.strerror}") from error

    async def state(self, job_id: str) -> dict[str, Any]:
        """The JobResponse of a job: five keys, with all frames so far."""
        return await self._get(f"/v1/jobs/{quote(job_id, safe='')}")

    async def extended(
        self, job_id: str, *, after: int | None = None, limit: int | None = None, wait_s: int = 0
    ) -> dict[str, Any]:
        """The ExtendedJobResponse of a job: its state, timings and warnings too, with at most ``limit`` frames.

        Its frames are those with an index above ``after``. The server holds the answer for up to ``wait_s`` seconds, 60
        at most, until there is such a frame, something else has changed, or the job has ended.
        """
        target = _with_query(f"/v1/jobs/{quote(job_id, safe='')}/extended", after=after, limit=limit)
        headers = {"Prefer": f"wait={wait_s}"} if wait_s else {}
        return _decoded(await self._fetch("GET", target, headers=headers))

    async def frames(self, job_id: str, *, after: int | None = None, limit: int | None = None) -> list[dict[str, Any]]:
        """One page of a job's FrameData, in order, from the first index above ``after``."""
        page = await self._get(f"/v1/jobs/{quote(job_id, safe='')}/frames", after=after, limit=limit)
        frames: list[dict[str, Any]] = page["frames"]
        return frames

    async def events(
        self,
        job_id: str,
        *,
        after: int | None = None,
        limit: int | None = None,
        kind: str | None = None,
        plugin: str | None = None,
    ) -> dict[str, Any]:
        """One page of a job's events: ``events``, and ``next``, which is the ``after`` of the next page or None.

        Only those of this kind and plugin, if given.
        """
        path = f"/v1/jobs/{quote(job_id, safe='')}/events"
        return await self._get(path, after=after, limit=limit, kind=kind, plugin=plugin)

    async def picture(self, job_id: str, index: int) -> bytes:
        """The picture of a frame, as a JPEG."""
        answer = await self._fetch("GET", f"/v1/jobs/{quote(job_id, safe='')}/frames/{index}.jpg")
        if answer.status not in OK:
            raise refused(answer.status, answer.body)
        return answer.body

    async def plugins(self) -> list[dict[str, Any]]:
        """The server's plugins, those that are broken too."""
        plugins: list[dict[str, Any]] = (await self._get("/v1/plugins"))["plugins"]
        return plugins

    async def cameras(self) -> dict[str, Any]:
        """The operator's cameras and webcams, and whether each can be reached now; those not known yet have null."""
        return await self._get("/v1/cameras")

    async def deliveries(
        self, *, webhook: str | None = None, failed: bool = False, before: int | None = None, limit: int | None = None
    ) -> dict[str, Any]:
        """One page of deliveries, newest first: ``deliveries``, ``next`` for the next page, and all ``webhooks``.

        Only those of this webhook, if given; if ``failed``, those whose last attempt has failed or that were given up.
        """
        only = 1 if failed else None
        return await self._get("/v1/deliveries", webhook=webhook, failed=only, before=before, limit=limit)

    async def test_webhook(self, webhook: str) -> dict[str, Any]:
        """Have a test message posted to a webhook's receiver; return what came of it."""
        return _decoded(await self._fetch("POST", f"/v1/webhooks/{quote(webhook, safe='')}/test"))

    async def agents(self) -> dict[str, Any]:
        """The agents that run jobs for the server, and under ``lost`` those that it has lost in the last hour."""
        return await self._get("/v1/agents")

    async def agent(self, agent_id: str) -> dict[str, Any]:
        """One of the server's agents."""
        return await self._get(f"/v1/agents/{quote(agent_id, safe='')}")

    async def log(self, job_id: str, *, plugin: str | None = None) -> str:
        """The output of one of a job's plugins, or of all of them with the plugin's name before each line."""
        query = f"?{urlencode({'plugin': plugin})}" if plugin is not None else ""
        answer = await self._fetch("GET", f"/v1/jobs/{quote(job_id, safe='')}/log{query}")
        if answer.status not in OK:
            raise refused(answer.status, answer.body)
        return answer.body.decode("utf-8", "replace")

    async def jobs(
        self,
        *,
        status: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        id_prefix: str | None = None,
    ) -> dict[str, Any]:
        """One page of jobs, newest first: ``jobs``, and ``next_cursor`` for the next page.

        Only those with this status, and those whose id begins with ``id_prefix``, if given.
        """
        return await self._get("/v1/jobs", status=status, limit=limit, cursor=cursor, id_prefix=id_prefix)

    async def cancel(self, job_id: str) -> dict[str, Any]:
        """Cancel a job; return once the job and all its processes are gone."""
        return _decoded(await self._fetch("POST", f"/v1/jobs/{quote(job_id, safe='')}/cancel"))

    async def pause(self, job_id: str) -> dict[str, Any]:
        """Pause a job; its ``status`` is in the answer."""
        return _decoded(await self._fetch("POST", f"/v1/jobs/{quote(job_id, safe='')}/pause"))

    async def resume(self, job_id: str) -> dict[str, Any]:
        """Let a paused job go on; its ``status`` is in the answer."""
        return _decoded(await self._fetch("POST", f"/v1/jobs/{quote(job_id, safe='')}/resume"))

    async def delete(self, job_id: str) -> None:
        """Delete a job with its results, and cancel it first if it runs."""
        answer = await self._fetch("DELETE", f"/v1/jobs/{quote(job_id, safe='')}")
        if answer.status not in OK:
            raise refused(answer.status, answer.body)

    async def prune(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Delete jobs that have ended; ``request`` is the JSON of ``POST /v1/jobs/prune``, and tells which."""
        return await self._post("/v1/jobs/prune", request)

    def push(self, job_id: str, *, timestamps: bool = False) -> AbstractAsyncContextManager[Pushing]:
        """Push pictures into a job with the source ``push:``; see :func:`kinora.client.push.push`.

        With ``timestamps`` each picture comes with its time.
        """
        from kinora.client.push import push  # noqa: PLC0415 - most programs need no WebSockets

        return push(self.url, job_id, timestamps=timestamps, token=self.token, ca_file=self.ca_file)

    async def download_frames(self, job_id: str, media_type: str, write: Write) -> None:
        """Hand all frames so far, as ``application/x-ndjson`` or ``text/csv``, to ``write`` as they come."""
        await self._download(f"/v1/jobs/{quote(job_id, safe='')}/frames", write, {"Accept": media_type})

    async def download_export(self, job_id: str, form: str, plugins: Sequence[str], write: Write) -> str:
        """Hand the results so far, as a file of another program's format, to ``write`` as they come.

        ``form`` is one that ``GET /v1/jobs/{job_id}/export`` takes; ``plugins`` are those whose detections it has, none
        for the usual ones. Returns the plugins that it has, with commas between; empty if it has all results.
        """
        query = urlencode({"format": form, "plugins": ",".join(plugins)})
        answer = await self._download(f"/v1/jobs/{quote(job_id, safe='')}/export?{query}", write, {})
        return answer.headers.get("kinora-plugins", "")

    async def download_video(self, job_id: str, write: Write) -> None:
        """Hand the video of the frames so far, with what was found drawn in, to ``write``; it is made first."""
        await self._download(f"/v1/jobs/{quote(job_id, safe='')}/annotated.mp4", write, {})

    async def _download(self, target: str, write: Write, headers: Mapping[str, str]) -> Answer:
        answer = await self._fetch("GET", target, headers=headers, write=write)
        if answer.status not in OK:
            raise refused(answer.status, answer.body)
        return answer

    async def reload_plugins(self) -> dict[str, Any]:
        """Have the server look for plugins again; return the list that ``GET /v1/plugins`` gives then."""
        return _decoded(await self._fetch("POST", "/v1/plugins/reload"))

    async def tokens(self) -> list[dict[str, Any]]:
        """All tokens of the server, without their secrets."""
        tokens: list[dict[str, Any]] = (await self._get("/v1/tokens"))["tokens"]
        return tokens

    async def make_token(self, name: str, role: str) -> dict[str, Any]:
        """Make a token with the role ``operate`` or ``view``; its secret is ``token`` in the answer, told this once."""
        return await self._post("/v1/tokens", {"name": name, "role": role})

    async def revoke_token(self, token_id: str) -> None:
        """Revoke a token, and so end all that runs for it."""
        answer = await self._fetch("DELETE", f"/v1/tokens/{quote(token_id, safe='')}")
        if answer.status not in OK:
            raise refused(answer.status, answer.body)

    async def login_links(self, token: str | None = None) -> list[str]:
        """Make a link that signs a browser in once, by this token or else the client's own; by each address."""
        links: list[str] = (await self._post("/v1/session/link", {"token": token} if token else {}))["links"]
        return links

    async def _post(self, path: str, document: Mapping[str, Any]) -> dict[str, Any]:
        body = Body("application/json", msgspec.json.encode(document))
        return _decoded(await self._fetch("POST", path, body=body))

    async def _fetch(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
        write: Write | None = None,
    ) -> Answer:
        await self.ready()
        known = partial(fetch, self.url, token=self.token, ca_file=self.ca_file)
        return await known(method, target, headers=headers, body=body, write=write)

    async def _post_job(self, body: Body, idempotency_key: str | None) -> Submitted:
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        answer = await self._fetch("POST", "/v1/jobs", headers=headers, body=body)
        response = _decoded(answer)
        return Submitted(response["job_id"], answer.headers.get("last-event-id"), response)

    async def _get(self, path: str, **query: object) -> dict[str, Any]:
        return _decoded(await self._fetch("GET", _with_query(path, **query)))


def _with_query(path: str, **query: object) -> str:
    """The path with the parameters that are not None."""
    asked = urlencode({name: value for name, value in query.items() if value is not None})
    return f"{path}?{asked}" if asked else path


def _decoded(answer: Answer) -> dict[str, Any]:
    if answer.status not in OK:
        raise refused(answer.status, answer.body)
    try:
        return msgspec.json.decode(answer.body, type=dict[str, Any])
    except msgspec.DecodeError as error:
        sentence = "This is not the address of a Kinora server: the answer is not JSON"
        raise ClientError(sentence, answer.status) from error


def _multipart_body(path: Path, size: int, request: bytes) -> Body:
    boundary = uuid.uuid4().hex
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="request"\r\n'
        f"Content-Type: application/json\r\n\r\n{request.decode()}\r\n"
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{quote(path.name)}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    tail = f"\r\n--{boundary}--\r\n"
    return Body(f"multipart/form-data; boundary={boundary}", head.encode(), path, size, tail.encode())
