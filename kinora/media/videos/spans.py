"""Reads parts of a video, one after the other, as if the rest were not there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kinora.media.messages import Span
from kinora.media.source_types import SourceTruncated
from kinora.media.videos.video import VideoSource
from kinora.media.videos.video_picture import VideoPicture


def read_spans(source: VideoSource, spans: Sequence[Span], start: int, stride: int) -> Iterator[VideoPicture]:
    """Every ``stride``-th picture of each span, from ``start`` on; each span begins with a picture that is wanted.

    Raises:
        SourceTruncated: the video ends in a span; or at the end, if parts of the spans are damaged.
    """
    damage = None
    for span in spans:
        begin, stop = max(start, span[0]), span[1]
        if stop is not None and stop <= begin:
            continue
        newest = begin - stride
        try:
            for picture in source.frames(begin, stride, stop):
                newest = picture.index
                yield picture
        except SourceTruncated as error:
            damage = error
            if stop is None or newest + stride < stop:
                break
    if damage is not None:
        raise damage
