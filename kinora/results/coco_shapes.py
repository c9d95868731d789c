"""What COCO's annotations have beyond a box: segmentation, key points and attributes."""

from __future__ import annotations

from typing import Any

from kinora.plugins.forms.catalogue import LEAST_CORNERS, LEAST_SEEN, Detection
from kinora.plugins.forms.rle import counts_in_frame
from kinora.results.found import FoundFrame
from kinora.results.outlines import area_of, turned_outline_of

SEEN, UNSEEN = 2, 0
"""How visible a key point is."""


def shapes_of(found: Detection, frame: FoundFrame) -> dict[str, Any]:
    """The further keys of an annotation; they replace the area of its box."""
    return _segmentation(found, frame) | _keypoints(found) | _attributes(found)


def _segmentation(found: Detection, frame: FoundFrame) -> dict[str, Any]:
    if found.mask is not None and (coded := counts_in_frame(found.mask, frame.width, frame.height)) is not None:
        counts, pixels = coded
        return {"segmentation": {"size": [frame.height, frame.width], "counts": counts}, "area": pixels}
    outline = found.polygon if found.polygon is not None else turned_outline_of(found)
    if outline is None or len(outline) < LEAST_CORNERS:
        return {}
    return {"segmentation": [[round(value, 2) for point in outline for value in point]], "area": abs(area_of(outline))}


def _keypoints(found: Detection) -> dict[str, Any]:
    if not found.keypoints:
        return {}
    rows = [(x, y, SEEN) if is_seen(seen) else (0, 0, UNSEEN) for x, y, seen in found.keypoints]
    seen_ones = sum(visible == SEEN for _x, _y, visible in rows)
    return {"keypoints": [value for row in rows for value in row], "num_keypoints": seen_ones}


def _attributes(found: Detection) -> dict[str, Any]:
    told = {**(found.attributes or {}), **({} if found.text is None else {"text": found.text})}
    if found.angle is not None:
        told["rotation"] = found.angle
    return {"attributes": told} if told else {}


def is_seen(confidence: float | None) -> bool:
    """True of a key point that is taken as seen."""
    return confidence is not None and confidence >= LEAST_SEEN
