"""The error of asking an actor that does not run."""

from __future__ import annotations


class ActorGone(Exception):
    """The actor that was asked has ended or does not run: there will be no answer."""
