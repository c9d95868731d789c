"""Figures of requests: how they were answered and how long that took. The labels are the server's own words."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache

import attrs

from kinora.runtime.histogram import Histogram
from kinora.web.access.guard import METHODS

OTHER = "other"
"""Stands for methods and addresses that this server does not have."""
ROUTES = 200
"""Templates that are remembered; the app has far fewer rules."""
FAILED = 500
"""The status of a request that failed because of an error in the server."""
CLIENT_GONE = 499
"""The status of a request whose client went before its answer began, as nginx has it."""


@attrs.define(eq=False)
class UploadFigures:
    """What has arrived as uploads, since the start."""

    received: int = 0
    """The uploads that arrived in full."""
    failed: int = 0
    """Those that were refused or broke off."""
    bytes: int = 0
    """The bytes written to disk, those of failed ones included."""


@attrs.define(eq=False)
class HttpFigures:
    """The requests since the start. Bounded by the app's routes times its methods and statuses."""

    answered: Counter[tuple[str, str, int]] = attrs.field(factory=Counter)
    """Method, route and status → requests; those still under way are in none."""
    latency: dict[tuple[str, str], Histogram] = attrs.field(factory=dict)
    """Method and route → the time from a request's head to the beginning of its answer.

    Requests that waited because the client asked for that (``Prefer: wait``) are left out.
    """
    failed: int = 0
    """Those with the status 500; told from the start, since Prometheus counts no increase where a counter begins."""
    in_progress: int = 0
    uploads: UploadFigures = attrs.field(factory=UploadFigures)

    def add(self, method: str, route: str, status: int, seconds: float | None) -> None:
        """Count an answered request; ``seconds`` is None if its time says nothing about the server."""
        method = method if method in METHODS else OTHER
        self.answered[method, route, status] += 1
        self.failed += status == FAILED
        if seconds is not None:
            if (known := self.latency.get((method, route))) is None:
                known = self.latency[method, route] = Histogram()
            known.add(seconds)


@lru_cache(maxsize=ROUTES)
def template_of(rule: str) -> str:
    """A rule of the app as OpenAPI writes it: ``/v1/jobs/{job_id}``."""
    return re.sub(r"<(?:\w+:)?_?(\w+)>", r"{\1}", rule)
