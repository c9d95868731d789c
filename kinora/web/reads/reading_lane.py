"""The reading lane: answers plain GETs at once, from bytes that are ready, without Hypercorn and Quart.

It takes only what it knows to the last byte, and leaves everything else, errors included, to the app.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Mapping
from functools import partial
from http import HTTPStatus
from time import perf_counter

import attrs
import msgspec

from kinora.actors.errors import KinoraError
from kinora.actors.store.token_table import Role
from kinora.system import System
from kinora.web.access.guard import refusal
from kinora.web.access.rights import (
    UNCHECKED,
    Access,
    Credential,
    access_by,
    cookie_name,
    credential_of,
    may,
    needed_role,
)
from kinora.web.answers.frame_documents import JSON, frame_page, whole_body
from kinora.web.answers.shown_jobs import shown_job
from kinora.web.connection.connection import Later
from kinora.web.documents.documents import ExtendedJobResponse, JobList, JobResponse, Liveness, Readiness, job_summary
from kinora.web.middleware.access_log import AccessLog, AnsweredRequest
from kinora.web.middleware.http_figures import HttpFigures
from kinora.web.openapi.parameters import AFTER, FRAMES_LIMIT, JOB_LIMIT, JOBS_LIMIT, STATUS
from kinora.web.reads.plain_heads import PlainHead, plain_head
from kinora.web.reads.ready_answers import Encoded, Made, ReadyAnswers
from kinora.web.requests.conditions import Tags
from kinora.web.requests.incoming import job_id_of
from kinora.web.requests.negotiation import VARY

MAX_HEADS = 1024
"""The most heads that are remembered as they came; beyond it the one that came the longest ago is forgotten.

Programs that poll send the same bytes again and again.
"""
_HEADERS = {"content-type": JSON, "cache-control": "no-cache"}
_OK, _UNCHANGED = int(HTTPStatus.OK), int(HTTPStatus.NOT_MODIFIED)
_ANY_TYPE = frozenset({"", "*/*", JSON})
"""The values of ``Accept`` that surely choose JSON."""
_HEALTH = Encoded(_HEADERS, msgspec.json.encode(Liveness(status="ok")))
_READY = Encoded(_HEADERS, msgspec.json.encode(Readiness(ready=True, reasons=[])))
MakeAnswer = Callable[[], Awaitable[Made | None]]


@attrs.frozen
class Read:
    """What a request reads."""

    route: str
    """The path's template, for the figures."""
    key: Hashable = None
    """Equal for requests with the same answer; None if that is not kept."""
    job_id: str | None = None
    make: MakeAnswer | None = None
    reads_frames: bool = False


@attrs.frozen(eq=False)
class Asked:
    """A request that the lane can answer."""

    path: str
    read: Read
    needed: Role | None
    shown: Credential | None
    known: Tags
    """The tags that the client has answers for."""


class ReadingLane:
    """Answers for one server.

    Args:
        system: what is asked about.
        allowed_hosts: as for :func:`~kinora.web.access.guard.refusal`.
        figures: where requests are counted.
        access_log: where they are written, if at all.
    """

    def __init__(
        self,
        system: System,
        allowed_hosts: frozenset[str],
        figures: HttpFigures,
        access_log: AccessLog | None,
    ) -> None:
        self._system = system
        self._allowed_hosts = allowed_hosts
        self._any_address = system.tokens.needed
        self._figures = figures
        self._log = access_log if access_log is not None and access_log.all_calls else None
        """Other logs have no lines of reads that succeed."""
        self._heads: OrderedDict[bytes, Asked] = OrderedDict()
        self._answers = ReadyAnswers()

    def answer(self, data: bytes, client: str) -> bytes | Later | None:
        """Return the whole answer to the request that ``data`` is, or what makes it.

        None if it is not a request that the lane knows, or one to be refused.
        """
        began = perf_counter()
        asked = self._asked(data)
        access = None if asked is None else self._access(asked)
        if asked is None or access is None:
            return None
        try:
            answer = self._ready(asked.read)
        except Exception:  # noqa: BLE001 - the app fails in the same way, answers and logs it
            return None
        if answer is None:
            make = asked.read.make
            return None if make is None else partial(self._later, asked, make, began, client)
        return self._told(asked, answer, access, began, client)

    async def _later(self, asked: Asked, make: MakeAnswer, began: float, client: str) -> bytes | None:
        """Return the answer once it is made; None if it cannot be made here, or must no longer be given."""
        read = asked.read
        self._figures.in_progress += 1
        try:
            answer = await self._answers.make(read.key, partial(self._system.jobs.version, read.job_id), make)
        except Exception:  # noqa: BLE001 - the app finds the same, answers and logs it
            return None
        finally:
            self._figures.in_progress -= 1
        access = self._access(asked)
        return None if answer is None or access is None else self._told(asked, answer, access, began, client)

    def _asked(self, data: bytes) -> Asked | None:
        asked = self._heads.get(data)
        if asked is None and self._system.started.is_set() and (head := plain_head(data)) is not None:
            asked = self._understood(head)
            if asked is not None:
                self._heads[data] = asked
                if len(self._heads) > MAX_HEADS:
                    self._heads.popitem(last=False)
        return asked

    def _understood(self, head: PlainHead) -> Asked | None:
        scope = head.scope()
        if refusal(scope, self._allowed_hosts, any_address=self._any_address) is not None:
            return None
        try:
            read = read_of(self._system, head)
        except KinoraError:  # the app says which parameter is wrong
            return None
        if read is None:
            return None
        shown = credential_of(scope, cookie_name(self._system.tokens))
        return Asked(head.path, read, needed_role(scope), shown, Tags.in_text(head.header(b"if-none-match")))

    def _access(self, asked: Asked) -> Access | None:
        """The access by which the request is let in; None if it is not."""
        book = self._system.tokens
        if not book.needed:
            return UNCHECKED
        access = None if asked.shown is None else access_by(book, asked.shown)
        if asked.needed is None:
            return access or UNCHECKED
        if access is None or access.token is None or not may(access, asked.needed):
            return None
        with book.using(access.token):
            return access

    def _ready(self, read: Read) -> Encoded | None:
        if read.key is not None:
            return self._answers.get(read.key, self._system.jobs.version(read.job_id))
        if read.route == _READY_PATH:
            return None if self._system.ready() or self._system.degraded() else _READY
        return _HEALTH

    def _told(self, asked: Asked, answer: Encoded, access: Access, began: float, client: str) -> bytes:
        """The answer in bytes; it is counted and written to the log."""
        unchanged = answer.tag is not None and asked.known.include(answer.tag)
        status = _UNCHANGED if unchanged else _OK
        if asked.read.reads_frames and asked.read.job_id is not None:
            self._system.jobs.note_read(asked.read.job_id)
        seconds = perf_counter() - began
        self._figures.add("GET", asked.read.route, status, seconds)
        if self._log is not None:
            self._log.write(
                AnsweredRequest(
                    method="GET",
                    path=asked.path,
                    status=status,
                    bytes=0 if unchanged else answer.size,
                    seconds=seconds,
                    client=client,
                    token_name=None if access.token is None else access.token.name,
                )
            )
        return answer.unchanged() if unchanged else answer.ok()


_HEALTH_PATH, _READY_PATH, _JOBS = "/v1/health", "/v1/ready", "/v1/jobs"
_ONE_JOB = f"{_JOBS}/{{job_id}}"


def read_of(system: System, head: PlainHead) -> Read | None:
    """What the request reads, if the lane knows that.

    Raises:
        KinoraError: the app refuses it.
    """
    path, query = head.path, head.query
    if path in {_HEALTH_PATH, _READY_PATH}:
        return None if query else Read(path)
    if path == _JOBS:
        return _list(system, query) if query.keys() <= {"status", "limit"} else None
    if not path.startswith(f"{_JOBS}/") or not query.keys() <= {"after", "limit"}:
        return None
    name, *below = path.removeprefix(f"{_JOBS}/").split("/")
    if name == "prune":
        return None
    match below:
        case []:
            return _job(system, head, _ONE_JOB, job_id_of(name), JobResponse)
        case ["extended"]:
            return _job(system, head, f"{_ONE_JOB}/extended", job_id_of(name), ExtendedJobResponse)
        case ["frames"] if head.header(b"accept") in _ANY_TYPE:
            return _frames(system, head, job_id_of(name))
    return None


def _list(system: System, query: Mapping[str, str]) -> Read:
    status, limit = STATUS.read(query), JOBS_LIMIT.read(query)

    async def make() -> Made:
        page = await system.jobs.jobs(status, limit, None)
        body = msgspec.json.encode(JobList(jobs=[*map(job_summary, page.jobs)], next_cursor=page.next_cursor))
        return Made(Encoded(_HEADERS, body), live=system.jobs.busy)

    return Read(_JOBS, (_JOBS, status, limit), make=make)


def _job(system: System, head: PlainHead, route: str, job_id: str, kind: type[msgspec.Struct]) -> Read:
    after, limit = AFTER.read(head.query), JOB_LIMIT.read(head.query)

    async def make() -> Made | None:
        state = await system.jobs.state(job_id)
        shown = await shown_job(system, state, kind, after, limit)
        if not shown.cut.whole:
            return None
        headers = {**_HEADERS, "etag": f'"{shown.tag}"'}
        return Made(Encoded(headers, whole_body(shown.cut, shown.around), shown.tag), live=not state.ended)

    return Read(route, (route, job_id, after, limit), job_id, make, limit != 0)


def _frames(system: System, head: PlainHead, job_id: str) -> Read:
    after, limit = AFTER.read(head.query), FRAMES_LIMIT.read(head.query)

    async def make() -> Made | None:
        await system.jobs.state(job_id)
        cut = await system.jobs.cut(job_id, after, limit)
        return Made(Encoded({**_HEADERS, **VARY}, whole_body(cut, frame_page(cut)))) if cut.whole else None

    route = f"{_ONE_JOB}/frames"
    return Read(route, (route, job_id, after, limit), job_id, make, reads_frames=True)
