"""The request of ``POST /v1/jobs/prune``, and how it is read from JSON."""

from __future__ import annotations

from datetime import datetime
from typing import get_args

import attrs

from kinora.actors.errors import InvalidRequest
from kinora.actors.field_types import MAX_INDEX
from kinora.actors.messages import EndStatus
from kinora.actors.requests.flat_request import read_request
from kinora.actors.requests.request_values import flag, integer, number, read_by, some_of
from kinora.actors.retention.retention_rule import ALWAYS, Rule
from kinora.actors.times import time_before

MAX_AGE_S = 10_000_000_000
"""The most seconds of an age: some 300 years."""


CHOICES = ("older_than_s", "keep_bytes", "status")
"""The fields of which at least one must be given."""


@attrs.frozen(kw_only=True)
class PruneRequest:
    """Which jobs that have ended are to be deleted: those that are old, or too much, or have one of some statuses.

    At least one of the three must be given. ``status`` narrows down the other two.
    """

    older_than_s: float | None = attrs.field(default=None, metadata=read_by(number(0, MAX_AGE_S)))
    """Jobs that ended at least so many seconds ago go."""
    keep_bytes: int | None = attrs.field(default=None, metadata=read_by(integer(0, MAX_INDEX)))
    """The jobs that ended first go, as long as the database and the uploads take more than this of the disk."""
    status: tuple[str, ...] | None = attrs.field(default=None, metadata=read_by(some_of(*get_args(EndStatus))))
    """Only jobs with one of these statuses go; without it all that have ended may."""
    dry_run: bool = attrs.field(default=False, metadata=read_by(flag))
    """True to delete nothing, and only be told what would go."""

    def rule(self, now: datetime) -> Rule:
        """The rule that it asks for at this time."""
        if self.older_than_s is not None:
            before = time_before(now, self.older_than_s)
        else:
            before = ALWAYS if self.keep_bytes is None else ""
        return Rule(before=before, keep_bytes=self.keep_bytes, statuses=self.status or ())


def parse_prune_request(data: object) -> PruneRequest:
    """Return the request in ``data``, which is decoded JSON.

    Raises:
        InvalidRequest: with the path and a sentence for each error.
    """
    request = read_request(PruneRequest, data)
    if all(getattr(request, name) is None for name in CHOICES):
        raise InvalidRequest("Say which jobs go: give older_than_s, keep_bytes or status.")
    return request
