"""``kinora.run``: runs a source through plugins in this program."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kinora.actors.errors import KinoraError
from kinora.media.source_names import without_query
from kinora.python.errors import as_run_error
from kinora.python.local import LocalRun
from kinora.python.local_settings import found_settings, settled_source
from kinora.python.options import Policy, job_options
from kinora.python.plugins import Plugins, wanted_plugins
from kinora.python.quiet import quieten
from kinora.python.report import Report
from kinora.python.run import Run
from kinora.python.wanted import Wanted
from kinora.settings import SettingsError


def run(
    source: str | os.PathLike[str],
    plugins: Plugins,
    *,
    device: str = "auto",
    strict: bool = False,
    max_frames: int | None = None,
    stride: int | None = None,
    policy: Policy | None = None,
    options: Mapping[str, Any] | None = None,
    plugins_dir: str | os.PathLike[str] | None = None,
    models_dir: str | os.PathLike[str] | None = None,
    config: str | os.PathLike[str] | None = None,
) -> Run:
    """Run a source through plugins, without a server: ``for frame in kinora.run("clip.mp4", plugins=["people"])``.

    Nothing begins before the loop does. Plugins run in processes of their own, as with ``kinora run``: one that fails
    is in ``frame.errors``, and the loop goes on.

    Args:
        source: a video, an image, a folder of images, an http(s) or rtsp(s) URL, ``webcam:0``, ``camera:NAME`` of
            ``kinora.toml``, or ``demo:``.
        plugins: names, paths of files, functions of a frame, classes of ``kinora.plugins.Plugin``, or mappings with one
            of these as ``name`` beside ``options``, ``every``, ``side``, ``replicas``. Each sees the results of those
            before it.
        device: ``auto``, ``cpu``, ``gpu`` or ``cuda:N``.
        strict: raise PluginFailed as soon as a plugin fails.
        max_frames: stop after so many frames.
        stride: take every Nth frame only.
        policy: ``wait`` for every frame, ``latest`` to drop frames when the loop is behind; by kind of source.
        options: further options of a job, such as ``plugin_timeout_ms``.
        plugins_dir: a folder with further plugins.
        models_dir: the folder of model files.
        config: the configuration file in place of ``kinora.toml`` in the working folder.

    Raises:
        RunError: the source or a plugin cannot be used. Once the loop runs, it is raised there if the source breaks.
    """
    quieten()
    asked = job_options(options, max_frames=max_frames, stride=stride, policy=policy)
    flags = {name: Path(value) for name, value in (("plugins_dir", plugins_dir), ("models_dir", models_dir)) if value}
    wanted = Wanted(source=settled_source(source), plugins=wanted_plugins(plugins), device=device, options=asked)
    try:
        settings = found_settings(flags, Path(config) if config is not None else None)
    except (SettingsError, KinoraError) as error:
        raise as_run_error(error) from None
    report = Report(without_query(wanted.source))
    work = LocalRun(wanted, settings, report)
    return Run(work.run, report, work.annotate, strict=strict)
