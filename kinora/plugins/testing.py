"""Runs a plugin over pictures in the calling process, for plugin authors' tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import attrs
import msgspec
import numpy as np
from numpy.typing import NDArray

from kinora.plugins.api import Frame, Plugin, Severity, one_for_each
from kinora.plugins.forms.results import Encoded, encode_frame_result, encode_result
from kinora.plugins.found_events import events_in, make_event
from kinora.plugins.loading import remembers
from kinora.plugins.protocol import Event
from kinora.plugins.state_saving import state_parts

FRAME_MS = 40.0  # plain pictures come at 25 a second


@attrs.define
class PluginRun:
    """A plugin's output, as a client would see it."""

    results: list[dict[str, Any] | None] = attrs.field(factory=list)
    """One for each frame; None where the plugin returned None."""
    warnings: list[str] = attrs.field(factory=list)
    partials: list[dict[str, Any]] = attrs.field(factory=list)
    events: list[dict[str, Any]] = attrs.field(factory=list)
    """The events, from ``context.event`` and from results: each has ``kind``, ``message`` and ``data``."""
    final: dict[str, Any] | None = None
    """The result of ``finalize``."""


def run_plugin(
    plugin: type[Plugin],
    frames: Iterable[NDArray[np.uint8] | Frame],
    options: Mapping[str, Any] | None = None,
    device: str = "cpu",
    models_dir: Path = Path(),
    *,
    batch: int = 1,
    restart_after: int | None = None,
) -> PluginRun:
    """Run a fresh instance over the frames: ``prepare``, ``process_frame`` for each, ``finalize``.

    With ``batch`` of more than 1, ``process_batch`` gets so many at once, or as many as the plugin takes; and the rest
    at the end. With ``restart_after``, another instance goes on after so many frames, as after a crash: it gets the
    state of the first one, and begins anew if the plugin has no ``save_state``. Frames come one by one then.

    Plain pictures (HxWx3, uint8, BGR) are numbered from 0 and come at 25 a second; give ``Frame`` objects for other
    times, or to pass the results of earlier plugins. Either way the plugin gets read-only pictures.

    Raises:
        OptionsError: the plugin's ``config_schema`` does not allow these options.
        BadResult: JSON cannot express a result at all; where it cannot express a value, this becomes a warning.
        Exception: any error that the plugin raises.
    """
    from kinora.plugins.options import check_options  # noqa: PLC0415 - for run_checked it is not needed

    checked = check_options(plugin.metadata, options or {})
    return run_checked(plugin, frames, checked, device, models_dir, batch=batch, restart_after=restart_after)


def run_checked(
    plugin: type[Plugin],
    frames: Iterable[NDArray[np.uint8] | Frame],
    checked: Mapping[str, Any],
    device: str = "cpu",
    models_dir: Path = Path(),
    *,
    batch: int = 1,
    restart_after: int | None = None,
) -> PluginRun:
    """Do the same with options that were checked before; an interpreter without ``jsonschema`` can do that too."""
    run = PluginRun()
    context = _Context(run, checked, device, models_dir)
    instance = _prepared(plugin, context)
    most = 1 if restart_after is not None else min(batch, plugin.metadata.max_batch, instance.max_batch or batch)
    given = (_as_frame(frame, index) for index, frame in enumerate(frames))
    while together := list(islice(given, most)):
        for frame, result in zip(together, _results(instance, together, most), strict=True):
            run.results.append(_frame_result(run, result, frame))
        if len(run.results) == restart_after:
            instance = _restarted(instance, context)
    run.final = _as_json(run, encode_result(instance.finalize()))
    return run


def _prepared(plugin: type[Plugin], context: _Context) -> Plugin:
    instance = plugin()
    instance.prepare(context)
    return instance


def _restarted(instance: Plugin, context: _Context) -> Plugin:
    """Another instance of the plugin, with the state of this one if it has any."""
    plugin = type(instance)
    state = b"".join(state_parts(instance.save_state())) if remembers(plugin) else None
    new = _prepared(plugin, context)
    if state is not None:
        new.load_state(state)
    return new


def _results(plugin: Plugin, frames: Sequence[Frame], most: int) -> list[Any]:
    if most == 1:
        return [plugin.process_frame(frame) for frame in frames]
    return one_for_each(plugin.process_batch(frames), len(frames))


@attrs.frozen
class _Context:
    run: PluginRun
    options: Mapping[str, Any]
    device: str
    models_dir: Path

    def warn(self, message: str, severity: Severity = "low") -> None:  # noqa: ARG002 - the protocol's signature
        self.run.warnings.append(message)

    def partial(self, result: Mapping[str, Any]) -> None:
        if (told := _as_json(self.run, encode_result(result))) is not None:
            self.run.partials.append(told)

    def event(self, kind: str, message: str = "", data: Any = None) -> None:
        event, fault = make_event(kind, message, data)
        _note_events(self.run, [event], fault)


def _frame_result(run: PluginRun, result: object, frame: Frame) -> dict[str, Any] | None:
    height, width = frame.image.shape[:2]
    encoded = encode_frame_result(result, (height, width))
    if encoded is not None:
        _note_events(run, *events_in(encoded.data))
    return _as_json(run, encoded)


def _note_events(run: PluginRun, events: Sequence[Event], fault: str | None) -> None:
    run.events += [
        {"kind": event.kind, "message": event.message, "data": msgspec.json.decode(event.data)} for event in events
    ]
    run.warnings += [] if fault is None else [fault]


def _as_frame(given: NDArray[np.uint8] | Frame, index: int) -> Frame:
    frame = given if isinstance(given, Frame) else Frame(image=given, index=index, timestamp_ms=index * FRAME_MS)
    image = frame.image.view()
    image.flags.writeable = False
    return attrs.evolve(frame, image=image)


def _as_json(run: PluginRun, encoded: Encoded | None) -> dict[str, Any] | None:
    if encoded is not None and encoded.fault is not None:
        run.warnings.append(encoded.fault)
    return None if encoded is None else msgspec.json.decode(encoded.data, type=dict[str, Any])
