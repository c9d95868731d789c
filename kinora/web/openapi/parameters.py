"""The parameters of calls: each is read, and described in the OpenAPI document, from the same bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, get_args

import attrs
import msgspec

from kinora.actors.field_types import MAX_INDEX, Index, JobId
from kinora.actors.models import JobStatus
from kinora.actors.realtime.filters import FramesPerSecond, ImagesOfEvents, JobIds, MessageType
from kinora.actors.requests.job_request import MAX_NAME, MAX_PLUGINS, JobRequest
from kinora.actors.requests.request_values import READER
from kinora.actors.store.store import PAGE_EVENTS
from kinora.actors.webhooks.delivery_table import DeliveryStatus
from kinora.plugins.forms.catalogue import CATALOGUE
from kinora.plugins.protocol import KIND_CHARACTERS
from kinora.results.formats import FORMATS
from kinora.web.openapi.schemas import schema_of
from kinora.web.requests.incoming import MAX_KEY_LENGTH, MAX_WAIT_S, invalid_parameter, whole_number

JOBS_PER_PAGE, MAX_JOBS_PER_PAGE = 50, 200
MAX_SEARCH = 200
"""The most characters of a search for jobs."""
DELIVERIES_PER_PAGE, MAX_DELIVERIES_PER_PAGE = 50, 500
FRAMES_PER_PAGE, MAX_FRAMES_PER_PAGE = 100, 1000
EVENTS_PER_PAGE = 100
_Document = dict[str, Any]


@attrs.frozen(kw_only=True)
class Parameter:
    """A parameter as the document describes it."""

    name: str
    description: str
    accepts: Any = str
    """The type of its values, from which the schema is made."""
    place: str = "query"
    may_be_empty: bool = False
    """True if an empty value means the same as none."""
    needed: bool = False
    """True if it must be there."""

    def document(self) -> _Document:
        """The parameter as an OpenAPI object."""
        described = {
            "name": self.name,
            "in": self.place,
            "required": self.needed or self.place == "path",
            "description": self.description,
            "schema": schema_of(self.accepts),
        }
        return described | ({"allowEmptyValue": True} if self.may_be_empty else {})


@attrs.frozen(kw_only=True)
class WholeNumber(Parameter):
    """A whole number in the query string; an empty one means none."""

    lowest: int
    highest: int
    may_be_empty: bool = True
    accepts: Any = attrs.field(init=False)

    @accepts.default
    def _accepts(self) -> Any:
        return Annotated[int, msgspec.Meta(ge=self.lowest, le=self.highest)]

    def read(self, query: Mapping[str, str]) -> int | None:
        """Return the number, or None if there is none.

        Raises:
            InvalidRequest: it is not a whole number within the bounds.
        """
        return whole_number(query, self.name, self.lowest, self.highest)


@attrs.frozen(kw_only=True)
class PageSize(Parameter):
    """The most items on a page, in the query string; none, or an empty one, means ``usual``."""

    usual: int
    highest: int
    may_be_empty: bool = True
    accepts: Any = attrs.field(init=False)

    @accepts.default
    def _accepts(self) -> Any:
        return Annotated[int, msgspec.Meta(ge=1, le=self.highest, extra_json_schema={"default": self.usual})]

    def read(self, query: Mapping[str, str]) -> int:
        """Return the number.

        Raises:
            InvalidRequest: it is not a whole number within the bounds.
        """
        return whole_number(query, self.name, 1, self.highest) or self.usual


@attrs.frozen(kw_only=True)
class Word(Parameter):
    """One of some words in the query string; an empty one means none."""

    words: Sequence[str]
    may_be_empty: bool = True
    accepts: Any = attrs.field(init=False)

    @accepts.default
    def _accepts(self) -> Any:
        return Annotated[str, msgspec.Meta(extra_json_schema={"enum": [*self.words]})]

    def read(self, query: Mapping[str, str]) -> str | None:
        """Return the word, or None if there is none.

        Raises:
            InvalidRequest: it is another word.
        """
        word = query.get(self.name) or None
        if word is not None and word not in self.words:
            message = f"must be one of {', '.join(self.words)}"
            raise invalid_parameter(self.name, message)
        return word


@attrs.frozen(kw_only=True)
class Search(Parameter):
    """Words to search for, in the query string; an empty one means none."""

    longest: int
    may_be_empty: bool = True
    accepts: Any = attrs.field(init=False)

    @accepts.default
    def _accepts(self) -> Any:
        return Annotated[str, msgspec.Meta(max_length=self.longest)]

    def read(self, query: Mapping[str, str]) -> str | None:
        """Return the text, or None if there is none.

        Raises:
            InvalidRequest: it is too long.
        """
        text = query.get(self.name) or None
        if text is not None and len(text) > self.longest:
            raise invalid_parameter(self.name, f"must have at most {self.longest} characters")
        return text


AFTER = WholeNumber(
    name="after", description="Only frames with a higher index than this.", lowest=-1, highest=MAX_INDEX
)
JOB_LIMIT = WholeNumber(name="limit", description="The most frames in the answer.", lowest=0, highest=MAX_INDEX)
FRAMES_LIMIT = PageSize(
    name="limit",
    description="The most frames on the page. It does not limit lines and rows.",
    usual=FRAMES_PER_PAGE,
    highest=MAX_FRAMES_PER_PAGE,
)
AFTER_EVENT = WholeNumber(
    name="after", description="Only events with a higher number than this.", lowest=0, highest=MAX_INDEX
)
EVENTS_LIMIT = PageSize(
    name="limit", description="The most events on the page.", usual=EVENTS_PER_PAGE, highest=PAGE_EVENTS
)
EVENT_KIND = Search(name="kind", description="Only events of this kind.", longest=KIND_CHARACTERS)
EVENT_PLUGIN = Search(name="plugin", description="Only events of this plugin.", longest=MAX_NAME)
JOBS_LIMIT = PageSize(
    name="limit", description="The most jobs on the page.", usual=JOBS_PER_PAGE, highest=MAX_JOBS_PER_PAGE
)
WEBHOOK = Parameter(name="webhook", description="Only the deliveries of this webhook.", may_be_empty=True)
DELIVERY_STATUS = Word(name="status", description="Only deliveries with this status.", words=get_args(DeliveryStatus))
FAILED = WholeNumber(
    name="failed",
    description="1 leaves only deliveries whose last attempt has failed, and those given up.",
    lowest=0,
    highest=1,
)
BEFORE = WholeNumber(
    name="before", description="Only deliveries with a lower number than this.", lowest=0, highest=MAX_INDEX
)
DELIVERIES_LIMIT = PageSize(
    name="limit",
    description="The most deliveries on the page.",
    usual=DELIVERIES_PER_PAGE,
    highest=MAX_DELIVERIES_PER_PAGE,
)
EXPORT_FORMAT = Word(
    name="format",
    description="json (the default) is an ExtendedJobResponse with all frames, ndjson a FrameData in each line, csv a "
    "row for each detection, metric and text, parquet the same rows in typed columns; coco, yolo, mot and cvat are for "
    "the programs of these names.",
    words=("json", "ndjson", "csv", *FORMATS),
)
EXPORT_PLUGINS = Search(
    name="plugins",
    description="The plugins whose detections coco, yolo, mot and cvat have, with commas between. Without it all "
    "plugins, but none before the last tracker, which repeats theirs. Kinora-Plugins tells them.",
    longest=MAX_PLUGINS * (MAX_NAME + 1),
)
SOURCE = Parameter(
    name="source",
    description="What a job would have as its source.",
    accepts=attrs.fields(JobRequest).source.metadata[READER].accepts,
    needed=True,
)
OVERLAY = WholeNumber(name="overlay", description="1 draws the results on the picture.", lowest=0, highest=1)
DETAILS = WholeNumber(name="details", description="1 tells what the server uses, too.", lowest=0, highest=1)
STATUS = Word(name="status", description="Only jobs with this status.", words=get_args(JobStatus))
ID_PREFIX = Parameter(
    name="id_prefix", description="Only jobs whose id begins like this, in either case.", may_be_empty=True
)
SEARCH = Search(
    name="q",
    description="Only jobs with all of these words, each of them part of the source or of a plugin's name, or the "
    "beginning of the job's id. A page may then have fewer jobs than its limit, or none, though more follow: go on "
    "while there is a next_cursor.",
    longest=MAX_SEARCH,
)
CURSOR = Parameter(name="cursor", description="The next_cursor of the previous page.", may_be_empty=True)
PLUGIN = Parameter(name="plugin", description="Only the output of this plugin.", may_be_empty=True)

JOB_ID = Parameter(name="job_id", description="The job's id.", accepts=JobId, place="path")
INDEX = Parameter(name="index", description="The frame's index in the source.", accepts=Index, place="path")
EVENT_NUMBER = Parameter(
    name="event",
    description="The event's number in the job.",
    accepts=Annotated[int, msgspec.Meta(ge=1, le=MAX_INDEX)],
    place="path",
)
TOKEN_ID = Parameter(name="token_id", description="The token's id.", place="path")
WEBHOOK_NAME = Parameter(name="webhook", description="The webhook's name in kinora.toml.", place="path")
AGENT_ID = Parameter(name="agent_id", description="The agent's id.", place="path")
SCHEMA = Parameter(name="schema", description=f"One of {', '.join(CATALOGUE)}.", place="path")
NAME = Parameter(name="name", description="The plugin's name.", place="path")

IDEMPOTENCY_KEY = Parameter(
    name="Idempotency-Key",
    description="A key of your choice: repeating the call with it returns the same job instead of a new one.",
    accepts=Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_KEY_LENGTH, pattern="^[ -~]+$")],
    place="header",
)
IF_NONE_MATCH = Parameter(
    name="If-None-Match",
    description="The ETag of the answer that you have: the answer is 304 if it has not changed.",
    place="header",
)
RANGE = Parameter(
    name="Range",
    description="bytes=FIRST-LAST, bytes=FIRST- or bytes=-LENGTH: the answer is 206 with only these bytes.",
    place="header",
)
PREFER = Parameter(
    name="Prefer",
    description=f"wait=N waits up to N seconds (at most {MAX_WAIT_S}) for something new before answering.",
    place="header",
)

SESSION_ID = Parameter(
    name="session_id", description="A second connection with the same one replaces the first.", accepts=JobId
)
JOB_IDS = Parameter(name="job_id", description="Only messages about these jobs; all if left out.", accepts=JobIds)
TYPES = Parameter(
    name="types",
    description="Only messages of these types; repeat the parameter, or separate them with commas.",
    accepts=list[MessageType],
    may_be_empty=True,
)
MAX_FPS = Parameter(
    name="max_fps",
    description="The most frames a second; if there are more, the latest are sent.",
    accepts=FramesPerSecond,
)
IMAGES = Parameter(
    name="images",
    description="url or none: no pictures, only their addresses. Over a WebSocket also binary: the pictures.",
    accepts=ImagesOfEvents,
)
LAST_EVENT_ID = Parameter(
    name="last_event_id",
    description="The id of the last message that you received: messages since then are sent first.",
)
LAST_EVENT_ID_HEADER = Parameter(name="Last-Event-ID", description="The same as last_event_id.", place="header")
