"""The messages between the server and the programs of media workers.

This module is light to import: it imports neither OpenCV nor PyAV.
"""

from __future__ import annotations

import resource
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec

from kinora.media.camera_errors import LostReason
from kinora.media.network.auth import Credentials
from kinora.media.network.served import Served
from kinora.media.source_types import ErrorKind, SourceInfo, SourceLimits, SourceNote
from kinora.runtime.forking.program import Program

MAX_FILES = 64
"""The descriptors that a program which meets hostile media may have; it needs about ten."""
WRITES = {resource.RLIMIT_CORE: 0, resource.RLIMIT_NOFILE: MAX_FILES}
WRITES_NOTHING = {**WRITES, resource.RLIMIT_FSIZE: 0}
"""The limits of such programs: no core dumps, which would hold frames, and few files; most write no file at all."""
MOST_KEY_FRAMES = 4096
"""The most key frames that are told. Of more, every second, third or so is told."""
Span = tuple[int, int | None]
"""A part of a video: the index of its first frame, and of the first one behind it; None for the end of the video."""
Skeleton = Sequence[tuple[int, int]]
"""Pairs of numbers of key points that are joined by a line."""
Skeletons = Mapping[str, Skeleton]
"""Those of the plugins that have one, by name."""
JPEG_QUALITY = 85
"""The quality of every JPEG that Kinora makes, 0 to 100."""


class Failed(msgspec.Struct, tag_field="op", tag="failed", frozen=True):
    """The request could not be carried out; the message is a sentence that says why."""

    message: str
    disk: bool = False
    """True if the disk refused a write."""


class Working(msgspec.Struct, tag_field="op", tag="working", frozen=True):
    """Progress on a request that takes long; its answer is still to come."""

    pictures: int = 0
    """The number of pictures that are done; 0 if the request is not about pictures."""


# The decoder: Open, then Map, then one Slot for each frame; a larger ring before a frame that fits in no slot.


class Open(msgspec.Struct, tag_field="op", tag="open", frozen=True, kw_only=True):
    """Open a source; answered with Opened or Refused.

    That of pushed pictures comes with the socket that they are read from.
    """

    location: str
    """An absolute path, a URL, or ``push:``."""
    name: str
    """The name of the source in messages. Another one than a URL itself stands for all that the URL says."""
    limits: SourceLimits = SourceLimits()
    credentials: Credentials | None = None
    """They go to the host of the URL alone."""
    served: Served | None = None
    """Where a server gives the file at ``location``, which is not on this machine then."""


class FindKeyFrames(msgspec.Struct, tag_field="op", tag="key_frames", frozen=True):
    """Find out where the source may be cut; comes before Map, and is answered with KeyFrames."""


class Map(msgspec.Struct, tag_field="op", tag="map", frozen=True, kw_only=True):
    """Map the ring, whose descriptor is sent along, and begin to decode; answered with Mapped.

    A second descriptor is that of the memory in which the encoded packets of a live source are kept.
    """

    slots: int
    slot_bytes: int
    start: int = 0
    """The index of the first frame to decode."""
    stride: int = 1
    max_frames: int | None = None
    newest: bool = False
    """True if pictures of a live source that come while there is no slot are left out, but for the newest."""
    spans: tuple[Span, ...] = ()
    """Those parts of a video whose frames are decoded, in order; empty for all."""
    keep_s: float = 0.0
    """The time for which encoded packets are kept, if they are."""


class MapLarger(msgspec.Struct, tag_field="op", tag="larger", frozen=True, kw_only=True):
    """Map the ring, whose descriptor is sent along, in place of the one before; answered with Mapped.

    It answers NeedsLarger. All slots that were given before are void.
    """

    slots: int
    slot_bytes: int


class Slot(msgspec.Struct, tag_field="op", tag="slot", frozen=True):
    """Write the next frame into this slot of the ring; answered with FrameReady unless the source ends."""

    slot: int


class Opened(msgspec.Struct, tag_field="op", tag="opened", frozen=True):
    """The source is open."""

    info: SourceInfo


class Refused(msgspec.Struct, tag_field="op", tag="refused", frozen=True):
    """The source cannot be opened; nothing follows."""

    kind: ErrorKind
    message: str
    reason: LostReason | None = None
    """Why a camera cannot be watched; None for errors of other kinds."""


class KeyFrames(msgspec.Struct, tag_field="op", tag="key_frames", frozen=True):
    """The frames at which reading may begin without decoding others, in order; empty if the source is not to be cut."""

    indexes: list[int]


class Mapped(msgspec.Struct, tag_field="op", tag="mapped", frozen=True):
    """The ring is mapped and may be sealed."""


class FrameReady(msgspec.Struct, tag_field="op", tag="frame", frozen=True, kw_only=True):
    """A frame is in the slot: ``height`` x ``width`` x 3, uint8, BGR."""

    slot: int
    index: int
    timestamp_ms: float
    width: int
    height: int
    file: str | None = None
    """The name of its file, if the source is a folder."""
    received_s: float | None = None
    """When it came from its camera, in seconds of :func:`~kinora.media.arrival.clock_s`; None for files."""
    cpu_s: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """The processor time of the decoder since the frame before."""


class Noted(msgspec.Struct, tag_field="op", tag="noted", frozen=True):
    """Something to tell the user; sent without waiting for a slot, before the next frame or the end."""

    note: SourceNote


class NeedsLarger(msgspec.Struct, tag_field="op", tag="needs_larger", frozen=True):
    """The next frame does not fit in a slot; sent without waiting for one. Nothing follows before MapLarger."""

    frame_bytes: int


class Ended(msgspec.Struct, tag_field="op", tag="end", frozen=True):
    """There are no more frames; sent without waiting for a slot."""

    truncated: str | None = None
    """The reason why the source broke off early; None at its natural end."""
    reason: LostReason | None = None
    """The same in one word, if the source is a camera that was lost."""


DecoderRequest = Open | FindKeyFrames | Map | MapLarger | Slot
DecoderAnswer = Opened | Refused | KeyFrames | Mapped | FrameReady | Noted | NeedsLarger | Ended
DECODER: Program[DecoderRequest, DecoderAnswer] = Program(
    "kinora.media.programs.decoder:main",
    msgspec.msgpack.Decoder(DecoderRequest).decode,
    msgspec.msgpack.Decoder(DecoderAnswer).decode,
    WRITES_NOTHING,
)


# Pictures of frames on demand.


class MakeStill(msgspec.Struct, tag_field="op", tag="still", frozen=True, kw_only=True):
    """Decode one frame of a source, draw results on it, and encode it; answered with Jpeg or Failed."""

    location: str
    index: int
    limits: SourceLimits = SourceLimits()
    results: Mapping[str, Any] | None = None
    """Plugin → its result on this frame; None draws nothing."""
    skeletons: Skeletons = {}
    opening: Open | None = None
    """How to open a source that has not been read before, which may be live; None for one that has."""


class Jpeg(msgspec.Struct, tag_field="op", tag="jpeg", frozen=True):
    """A picture; a live one is empty if it is too large for a client's outbox."""

    data: bytes


STILL: Program[MakeStill, Jpeg | Failed] = Program(
    "kinora.media.programs.still:main",
    msgspec.msgpack.Decoder(MakeStill).decode,
    msgspec.msgpack.Decoder(Jpeg | Failed).decode,
    WRITES_NOTHING,
)


# Pictures of the frames in a job's rings, for clients that watch it live.


class UseRing(msgspec.Struct, tag_field="op", tag="ring", frozen=True, kw_only=True):
    """Map the ring, whose descriptor is sent along, in place of the one before. The first request; not answered."""

    slots: int
    slot_bytes: int


class EncodeSlot(msgspec.Struct, tag_field="op", tag="slot", frozen=True, kw_only=True):
    """Encode the frame in a slot; answered with Jpeg."""

    slot: int
    width: int
    height: int


LIVE_JPEG: Program[UseRing | EncodeSlot, Jpeg] = Program(
    "kinora.media.programs.live_jpeg:main",
    msgspec.msgpack.Decoder(UseRing | EncodeSlot).decode,
    msgspec.msgpack.Decoder(Jpeg).decode,
    WRITES_NOTHING,
)


# A copy of a video with results drawn on it.


class Annotate(msgspec.Struct, tag_field="op", tag="annotate", frozen=True, kw_only=True):
    """Write an annotated copy of a source; answered with any number of Working, then Written or Failed."""

    location: str
    frames: str
    """The path of a file of FrameData, one JSON text per line."""
    out: str
    limits: SourceLimits = SourceLimits()
    skeletons: Skeletons = {}


class Written(msgspec.Struct, tag_field="op", tag="written", frozen=True):
    """The annotated video is complete; without pictures there is none."""

    pictures: int
    digest: str
    """Of the video's bytes; empty if there is none."""


ANNOTATOR: Program[Annotate, Working | Written | Failed] = Program(
    "kinora.media.programs.annotator:main",
    msgspec.msgpack.Decoder(Annotate).decode,
    msgspec.msgpack.Decoder(Working | Written | Failed).decode,
    WRITES,
)


# A part of a video around an event.

CLIP_BYTES = 256 * 2**20
"""The most bytes of a clip's pictures: a copied clip ends there, and one that would take more encoded stays copied. All
from the key frame before its start on counts."""
CLIP_INDEX_BYTES = 2**24
"""What a clip's file may take beside its pictures."""
CLIP_CPU_S = 600
"""The most processor time for one clip. A process that needs more is killed, and does not make it."""
MAX_CODEC = 32
"""The most letters of a codec's name."""


class CutClip(msgspec.Struct, tag_field="op", tag="cut", frozen=True, kw_only=True):
    """Copy a part of a video into an MP4; answered with ClipCut or Failed."""

    location: str
    start_ms: float
    """In the time of the video's pictures, as that of ``end_ms``."""
    end_ms: float
    out: str
    limits: SourceLimits = SourceLimits()


class CutKept(msgspec.Struct, tag_field="op", tag="kept", frozen=True, kw_only=True):
    """Make an MP4 of packets that are kept in the memory whose descriptor is sent along; answered as CutClip."""

    at_ms: float
    """The time of a picture in its job, as the times below."""
    came_s: float
    """When that picture came."""
    start_ms: float
    end_ms: float
    out: str
    limits: SourceLimits = SourceLimits()


class ClipCut(msgspec.Struct, tag_field="op", tag="clip", frozen=True):
    """The clip is complete."""

    start_ms: float
    """Where it begins: at a key frame, at the latest where it was to begin if that is still there."""
    duration_ms: float
    codec: Annotated[str, msgspec.Meta(max_length=MAX_CODEC)]
    """FFmpeg's name of how its pictures are coded."""


class EncodeClip(msgspec.Struct, tag_field="op", tag="encode", frozen=True, kw_only=True):
    """Encode a clip as H.264; answered with any number of Working, then ClipEncoded or Failed."""

    location: str
    """The path of the clip."""
    out: str
    limits: SourceLimits = SourceLimits()


class ClipEncoded(msgspec.Struct, tag_field="op", tag="encoded", frozen=True):
    """The encoded clip is complete."""


CLIP_CUTTER: Program[CutClip | CutKept | EncodeClip, Working | ClipCut | ClipEncoded | Failed] = Program(
    "kinora.media.programs.clip_cutter:main",
    msgspec.msgpack.Decoder(CutClip | CutKept | EncodeClip).decode,
    msgspec.msgpack.Decoder(Working | ClipCut | ClipEncoded | Failed).decode,
    {**WRITES, resource.RLIMIT_FSIZE: CLIP_BYTES + CLIP_INDEX_BYTES, resource.RLIMIT_CPU: CLIP_CPU_S},
)


# The clip behind ``demo:``.


class MakeDemoClip(msgspec.Struct, tag_field="op", tag="make", frozen=True):
    """Make the demo clip in a folder if it is missing; answered with Made or Failed."""

    folder: str


class Made(msgspec.Struct, tag_field="op", tag="made", frozen=True):
    """The demo clip exists."""

    path: str


DEMO_CLIP: Program[MakeDemoClip, Made | Failed] = Program(
    "kinora.media.programs.demo_clip:main",
    msgspec.msgpack.Decoder(MakeDemoClip).decode,
    msgspec.msgpack.Decoder(Made | Failed).decode,
)
