"""Provider: who starts agents when jobs wait for one, and ends those that nobody needs; such as Ray."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import attrs

from kinora.actors.jobs.engine import Needs


@attrs.frozen(kw_only=True)
class Present:
    """An agent that is connected, as a provider sees it."""

    name: str
    """The name in its Facts, by which a provider knows its own."""
    attempts: int
    """The attempts that it works on or has been given."""


class Provider(Protocol):
    """Starts agents by what waits, and ends them by what is idle. None of its methods waits."""

    on_change: Callable[[], None]
    """Called whenever a job of the line has another reason why it has no agent yet. Its owner sets it."""

    def review(self, waiting: Sequence[Needs], present: Sequence[Present]) -> None:
        """Take note of all jobs in line that no agent suits now, the first first, and of all agents that are connected.

        The engine calls it after each change of either.
        """

    def refusal(self, needs: Needs) -> str | None:
        """The reason, as a sentence, why a job will never get an agent from here; None if it may."""

    def waiting_for(self, job_id: str) -> str | None:
        """The reason, as a sentence, why a job of the line has no agent yet; None if there is nothing to say."""


class Dismiss(Protocol):
    """The engine's answer to a provider that has an agent too many."""

    def __call__(self, name: str) -> bool:
        """Send an idle agent away, and give it no further attempt. False if it has an attempt, and stays."""
