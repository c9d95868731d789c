"""Says an error of a request in the words of the command line: by its flags, not by the places in the request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Protocol

from kinora.plugins.option_errors import MAX_ERRORS

FLAGS = {
    "source": "SOURCE",
    "plugins": "-p",
    "device_requested": "--device",
    "options.plugin_timeout_ms": "--plugin-timeout",
    "options.prepare_timeout_ms": "--prepare-timeout",
    "options.resources": "--resource",
}
"""Place in the request → what gives it on the command line, where that has another name."""
_FRAGMENTS = ("must ", "is ", "leave ")
"""The beginnings of messages that need their place before them."""
PLUGIN_PLACE = re.compile(r"plugins\[\d+\]")
"""The place of a plugin itself, not of its options."""
_OWN_FLAGS = frozenset({"every", "side", "replicas"})
"""What a plugin's entry has beside its options; each is a flag of the same name."""
_OF_PLUGIN = re.compile(r"plugins\[(\d+)\](?:\.name)?(?P<options>\.options)?\.?(?P<option>.*)", re.DOTALL)


class Place(Protocol):
    """An error at one place of a request."""

    @property
    def path(self) -> str:
        """The place, such as ``plugins[1].options.min_size``."""

    @property
    def message(self) -> str:
        """What must be there."""


def in_flags(detail: str, places: Sequence[Place], plugins: Sequence[str] = ()) -> str:
    """One line about all errors. The sentence ``detail`` is left out where the places say it all."""
    if not places:
        return detail
    listed = "; ".join(_said(place, plugins) for place in places)
    return listed if len(places) < MAX_ERRORS else f"{detail} {listed}"


def _said(place: Place, plugins: Sequence[str]) -> str:
    """The message with its flag; what is wrong with the source itself is a sentence that names it."""
    if place.path == "source" and not place.message.startswith(_FRAGMENTS):
        return place.message
    return f"{flag_of(place.path, plugins)}: {place.message}"


def flag_of(path: str, plugins: Sequence[str] = ()) -> str:
    """The flag that gives the value at this place: ``-o faces.min_size`` for ``plugins[1].options.min_size``."""
    if found := _OF_PLUGIN.fullmatch(path):
        name = _nth(plugins, int(found[1]))
        if found["option"] in _OWN_FLAGS and not found["options"]:
            return f"--{found['option']} {name}"
        return f"-o {name}.{found['option']}".rstrip(".") if found["options"] else f"-p {name}"
    return FLAGS.get(path) or f"--{path.removeprefix('options.').removesuffix('_ms').replace('_', '-')}"


def _nth(plugins: Iterable[str], number: int) -> str:
    return next((name for place, name in enumerate(plugins) if place == number), f"(plugin {number + 1})")
