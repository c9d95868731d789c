"""Which ended jobs are no longer kept: the decision alone, without a disk and without a clock."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import attrs

from kinora.actors.store.stored_room import EndedJob

ALWAYS = "9999"
"""A time behind every job's end."""


@attrs.frozen(kw_only=True)
class Rule:
    """A job goes that ended before a time, or as long as all that is kept takes too much; the first to end first."""

    before: str = ""
    """Jobs that ended before this time go, whatever room there is: ISO 8601 in UTC. Empty: none goes for its age."""
    keep_bytes: int | None = None
    """The most bytes that stay in use; None for no limit."""
    statuses: Collection[str] = ()
    """Only jobs with one of these statuses go; empty for all that have ended."""


@attrs.frozen(kw_only=True)
class Candidate:
    """A job that has ended, and what its deletion gives back."""

    job: EndedJob
    bytes: int
    """In the database and beside it, at least."""


def that_go(candidates: Sequence[Candidate], rule: Rule, used: int) -> list[Candidate]:
    """Return those that go, while ``used`` bytes are in use; the candidates come in the order of their ends.

    If it is not all of them, no later one goes either.
    """
    going = []
    for candidate in candidates:
        too_much = rule.keep_bytes is not None and used > rule.keep_bytes
        if not (too_much or candidate.job.ended_at < rule.before):
            break
        going.append(candidate)
        used -= candidate.bytes
    return going
