"""RunFrame: one frame of a run, with what the plugins found in it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from kinora.media.messages import Skeletons
from kinora.python.found import Detections
from kinora.python.pictures import Pixels
from kinora.python.shown import Shown

if TYPE_CHECKING:
    import supervision


class Result(dict[str, Any]):
    """One plugin's result on a frame: what it returned, as JSON has it."""

    @cached_property
    def detections(self) -> Detections:
        """Its detections as columns."""
        return Detections.of({"": dict(self)})

    @property
    def xyxy(self) -> NDArray[np.float32]:
        """That column of its detections; so are the others."""
        return self.detections.xyxy

    @property
    def confidence(self) -> NDArray[np.float32]:
        """Shape (n,): 0 to 1."""
        return self.detections.confidence

    @property
    def class_name(self) -> NDArray[np.str_]:
        """Shape (n,): text."""
        return self.detections.class_name

    @property
    def track_id(self) -> NDArray[np.int64]:
        """Shape (n,): -1 without one."""
        return self.detections.track_id


class _Data(msgspec.Struct):
    frame_id: str
    index: int
    timestamp_ms: float
    width: int
    height: int
    results: dict[str, Any]
    errors: dict[str, str] = {}
    file: str | None = None
    received_at: str | None = None


class RunFrame:
    """A frame, and the plugins' results on it: ``frame["people"]``.

    Everything but the picture of a local run stays as it is after the frame's turn of the loop.
    """

    def __init__(self, shown: Shown, counted: Collection[str], skeletons: Skeletons) -> None:
        """Of the plugins ``counted`` are ``detections``; ``skeletons`` join their key points."""
        self._data = msgspec.json.decode(shown.line, type=_Data)
        self._picture = shown.picture
        self._counted = counted
        self._skeletons = skeletons
        self.events = shown.events
        """What plugins say has happened on it, each with ``plugin``, ``kind``, ``message`` and ``data``."""
        self.results: Mapping[str, Result] = {
            name: Result(result) for name, result in self._data.results.items() if isinstance(result, dict)
        }
        """Plugin → its result. One that failed, or had nothing to say, is missing."""

    @property
    def index(self) -> int:
        """The frame's number in the source, from 0; with ``stride=3`` it goes 0, 3, 6."""
        return self._data.index

    @property
    def frame_id(self) -> str:
        """Its name, such as ``frame-000012``."""
        return self._data.frame_id

    @property
    def timestamp_ms(self) -> float:
        """Milliseconds since the source's start, from the stream's own clock."""
        return self._data.timestamp_ms

    @property
    def received_at(self) -> str | None:
        """When the picture came from its camera, as ISO 8601 in UTC; None if the source is not live."""
        return self._data.received_at

    @property
    def file(self) -> str | None:
        """The name of its file, if the source is a folder."""
        return self._data.file

    @property
    def width(self) -> int:
        """In pixels."""
        return self._data.width

    @property
    def height(self) -> int:
        """In pixels."""
        return self._data.height

    @property
    def errors(self) -> Mapping[str, str]:
        """Plugin → why it has no result on this frame, of those that failed on it."""
        return self._data.errors

    @property
    def image(self) -> Pixels:
        """The picture: HxWx3, uint8, BGR, read-only.

        It is not copied: the array is valid in this frame's turn of the loop. Copy it, or call :meth:`keep`, to use it
        later. That of a run on a server is fetched as a JPEG when it is first asked for, and stays.

        Raises:
            PictureGone: the turn is over.
            RunError: the server does not give the picture (any more).
        """
        return self._picture.get()

    def keep(self) -> Self:
        """Keep the picture beyond this frame's turn of the loop, and return the frame; raises as :attr:`image`."""
        self._picture.keep()
        return self

    def end_turn(self, *, left: bool) -> None:
        """End its turn of the loop, which the run does; ``left`` if the loop was left in it."""
        self._picture.end_turn(left=left)

    @cached_property
    def detections(self) -> Detections:
        """The detections of all plugins, or from the last tracker on: it repeats those of the plugins before it."""
        return Detections.of({name: result for name, result in self.results.items() if name in self._counted})

    def __getitem__(self, plugin: str) -> Result:
        if plugin in self.results:
            return self.results[plugin]
        why = self.errors.get(plugin, f"it has no result here; those that have: {', '.join(self.results) or 'none'}")
        raise KeyError(f"{plugin} on frame {self.index}: {why}")

    def __contains__(self, plugin: object) -> bool:
        return plugin in self.results

    def __iter__(self) -> Iterator[str]:
        return iter(self.results)

    def get(self, plugin: str) -> Result | None:
        """The result of a plugin; None if it has none."""
        return self.results.get(plugin)

    def plot(self) -> Pixels:
        """A copy of the picture with the results drawn in, as in Kinora's videos; raises as :attr:`image`."""
        from kinora.media.drawing import draw  # noqa: PLC0415 - OpenCV takes long to import, and few loops draw

        picture = self.image.copy()
        draw(picture, self.results, self._skeletons)
        return picture

    def to_supervision(self) -> supervision.Detections:
        """The detections as those of the package supervision, which must be installed."""
        from kinora.python.to_supervision import to_supervision  # noqa: PLC0415 - an extra

        return to_supervision(self.detections, self.width, self.height)

    def __repr__(self) -> str:
        return f"<frame {self.index} at {self.timestamp_ms / 1000:.2f} s: {', '.join(self.results) or 'no results'}>"

    def _repr_html_(self) -> str:
        """The picture with the results, if it is at hand, and a table of them; for notebooks."""
        from kinora.python.html import frame_html  # noqa: PLC0415 - for notebooks

        return frame_html(self)
