"""The error of calls to an actor that does not run."""

from __future__ import annotations


class ActorGone(Exception):
    """The actor has ended or does not run: there will be no answer."""
