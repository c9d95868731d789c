"""Types of fields that occur in many models, with the bounds and formats that the published schemas tell."""

from __future__ import annotations

from typing import Annotated

import msgspec

MAX_INDEX = 2**53 - 1
"""The largest frame index: the largest whole number that every JSON reader keeps exact."""

JobId = Annotated[str, msgspec.Meta(extra_json_schema={"format": "uuid"})]
FrameId = Annotated[str, msgspec.Meta(extra_json_schema={"pattern": "^frame-[0-9]{6,16}$"})]
Time = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
"""ISO 8601 in UTC, with milliseconds."""
Index = Annotated[int, msgspec.Meta(ge=0, le=MAX_INDEX)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Pixels = Annotated[int, msgspec.Meta(ge=1)]
Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]
Milliseconds = Annotated[float, msgspec.Meta(ge=0)]
