"""What was found in a frame, as columns of numpy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinora.plugins.forms.detections import Detection, read_detections

NO_TRACK = -1
"""The ``track_id`` of a detection without one."""


class Detections:
    """Detections of one frame as columns of equal length; ``len()`` is their number.

    An index, slice or mask of numpy selects some of them: ``found[found.confidence > 0.8]``.
    """

    def __init__(
        self,
        *,
        xyxy: NDArray[np.float32],
        confidence: NDArray[np.float32],
        class_name: NDArray[np.str_],
        track_id: NDArray[np.int64],
        plugin: NDArray[np.str_],
        entries: NDArray[np.object_],
    ) -> None:
        self.xyxy = xyxy
        """Shape (n, 4): left, top, right and bottom in pixels of the frame."""
        self.confidence = confidence
        """Shape (n,): 0 to 1."""
        self.class_name = class_name
        """Shape (n,): text such as ``person``."""
        self.track_id = track_id
        """Shape (n,): the number of the track; -1 without one."""
        self.plugin = plugin
        """Shape (n,): the plugin that found it."""
        self.entries = entries
        """Shape (n,): each as a whole, with all else that is known of it, such as ``mask``, ``keypoints``, ``text``."""

    @classmethod
    def of(cls, results: Mapping[str, Any]) -> Detections:
        """Those in the results of plugins, in the order of the plugins."""
        found = [(name, entry) for name, result in results.items() for entry in read_detections(result)]
        entries = [entry for _, entry in found]
        return cls(
            xyxy=_corners(entries),
            confidence=np.array([entry.confidence for entry in entries], np.float32),
            class_name=_texts(entry.kind for entry in entries),
            track_id=np.array([NO_TRACK if entry.track_id is None else entry.track_id for entry in entries], np.int64),
            plugin=_texts(name for name, _ in found),
            entries=_objects(entries),
        )

    def __len__(self) -> int:
        return len(self.xyxy)

    def __getitem__(self, which: Any) -> Detections:
        places = np.atleast_1d(np.arange(len(self))[which])
        return Detections(
            xyxy=self.xyxy[places],
            confidence=self.confidence[places],
            class_name=self.class_name[places],
            track_id=self.track_id[places],
            plugin=self.plugin[places],
            entries=self.entries[places],
        )

    def __iter__(self) -> Iterator[Detections]:
        return (self[place] for place in range(len(self)))

    def __repr__(self) -> str:
        names, counts = np.unique(self.class_name, return_counts=True)
        told = ", ".join(f"{count} {name}" for name, count in zip(names, counts, strict=True))
        return f"<Detections: {told or 'none'}>"


def _corners(entries: Iterable[Detection]) -> NDArray[np.float32]:
    boxes = np.array([entry.box for entry in entries], np.float32).reshape(-1, 4)
    return np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])


def _texts(texts: Iterable[str]) -> NDArray[np.str_]:
    return np.array(list(texts), np.str_)


def _objects(entries: Sequence[Detection]) -> NDArray[np.object_]:
    """An array of these, whatever numpy would make of their fields."""
    column = np.empty(len(entries), np.object_)
    column[:] = entries
    return column
