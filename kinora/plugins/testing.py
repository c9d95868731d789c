"""Runs a plugin over pictures in the calling process, for plugin authors' tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs
import msgspec
import numpy as np
from numpy.typing import NDArray

from kinora.plugins.api import Frame, Plugin, Severity
from kinora.plugins.options import check_options
from kinora.plugins.results import Encoded, encode_frame_result, encode_result

FRAME_MS = 40.0  # plain pictures come at 25 a second


@attrs.define
class PluginRun:
    """A plugin's output, as a client would see it."""

    results: list[dict[str, Any] | None] = attrs.field(factory=list)
    """One for each frame; None where the plugin returned None."""
    warnings: list[str] = attrs.field(factory=list)
    partials: list[dict[str, Any]] = attrs.field(factory=list)
    final: dict[str, Any] | None = None
    """The result of ``finalize``."""


def run_plugin(
    plugin: type[Plugin],
    frames: Iterable[NDArray[np.uint8] | Frame],
    options: Mapping[str, Any] | None = None,
    device: str = "cpu",
    models_dir: Path = Path(),
) -> PluginRun:
    """Run a fresh instance over the frames: ``prepare``, ``process_frame`` for each, ``finalize``.

    Plain pictures (HxWx3, uint8, BGR) are numbered from 0 and come at 25 a second; give ``Frame`` objects for other
    times, or to pass the results of earlier plugins. Either way the plugin gets read-only pictures.

    Raises:
        OptionsError: the plugin's ``config_schema`` does not allow these options.
        BadResult: JSON cannot express a result at all; where it cannot express a value, this becomes a warning.
        Exception: any error that the plugin raises.
    """
    run = PluginRun()
    checked = check_options(plugin.metadata, options or {})
    instance = plugin()
    instance.prepare(_Context(run, checked, device, models_dir))
    for index, frame in enumerate(frames):
        result = instance.process_frame(_as_frame(frame, index))
        run.results.append(_as_json(run, encode_frame_result(result)))
    run.final = _as_json(run, encode_result(instance.finalize()))
    return run


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


def _as_frame(given: NDArray[np.uint8] | Frame, index: int) -> Frame:
    frame = given if isinstance(given, Frame) else Frame(image=given, index=index, timestamp_ms=index * FRAME_MS)
    image = frame.image.view()
    image.flags.writeable = False
    return attrs.evolve(frame, image=image)


def _as_json(run: PluginRun, encoded: Encoded | None) -> dict[str, Any] | None:
    if encoded is not None and encoded.fault is not None:
        run.warnings.append(encoded.fault)
    return None if encoded is None else msgspec.json.decode(encoded.data, type=dict[str, Any])
