"""The conditions that a client sets on an answer: ``If-Match`` and ``If-None-Match``, see RFC 9110 §13."""

from __future__ import annotations

import re

import attrs
from quart import request

from kinora.web.problems import Problem

_TAG = re.compile(r'(?<![^\s,])(W/)?"([^"]*)"(?=\s*(?:,|$))')


@attrs.frozen
class Tags:
    """The tags in a condition; what is not a tag in quotes is left out."""

    strong: frozenset[str]
    weak: frozenset[str]
    all: bool
    """True for ``*``, which stands for every tag."""

    @classmethod
    def of(cls, header: str) -> Tags:
        """The tags in all lines of this header of the current request."""
        return cls.in_text(", ".join(request.headers.getlist(header)).strip())

    @classmethod
    def in_text(cls, text: str) -> Tags:
        """The tags in the value of a header."""
        found = _TAG.findall(text)
        strong, weak = (frozenset(tag for prefix, tag in found if bool(prefix) is kind) for kind in (False, True))
        return cls(strong, weak, text == "*")

    def include(self, tag: str) -> bool:
        """Return True if the tag is one of them, weak or strong."""
        return self.all or tag in self.strong or tag in self.weak

    def __bool__(self) -> bool:
        """Return True if there is a condition."""
        return self.all or bool(self.strong or self.weak)


def is_known(tag: str) -> bool:
    """True if the client has the answer with this tag already (``If-None-Match``; weak tags count)."""
    return Tags.of("If-None-Match").include(tag)


def require_match(tag: str) -> None:
    """Check ``If-Match`` against the tag of what the request is about; weak tags do not count.

    Raises:
        Problem: 412 if the client means another state than the present one.
    """
    tags = Tags.of("If-Match")
    if tags and not tags.all and tag not in tags.strong:
        raise Problem(412, f'It has changed since you read it, and its ETag is now "{tag}": read it again.')
