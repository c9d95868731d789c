"""A job with a part of its frames, as answers show it, and the tag of such an answer."""

from __future__ import annotations

import hashlib

import attrs
import msgspec

from kinora.actors.jobs.job_archive import FrameCut
from kinora.actors.models import JobState
from kinora.system import System
from kinora.web.answers.frame_documents import Surroundings, around_frames
from kinora.web.documents.documents import document_of


@attrs.frozen
class ShownJob:
    """A job and a part of its frames."""

    cut: FrameCut
    around: Surroundings

    @property
    def tag(self) -> str:
        """The answer's ETag, without its quotes: equal only for equal answers, for a frame never changes."""
        facts = msgspec.json.encode((self.around.tail(self.cut.last).decode(), self.cut.key))
        return hashlib.blake2b(self.around.head + facts, digest_size=12).hexdigest()


async def shown_job(
    system: System, state: JobState, kind: type[msgspec.Struct], after: int | None = None, limit: int | None = None
) -> ShownJob:
    """Read the frames for the document ``kind`` of a job in this state."""
    cut = await system.jobs.cut(state.job_id, after, limit)
    return ShownJob(cut, around_frames(document_of(state, kind, frames=[])))
