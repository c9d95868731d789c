"""Options that several commands share."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import attrs
import click

from kinora.actors.requests.job_request import (
    AUTO,
    MAX_CPUS,
    MAX_GPUS,
    MAX_OUTAGE_S,
    MAX_SEGMENTS,
    MAX_TIMEOUT_MS,
    JobOptions,
)
from kinora.cli.exits import Misuse
from kinora.cli.terminal.output import print_line
from kinora.settings import Reading, Settings, SettingsError, passed_over, read_settings

Command = TypeVar("Command", bound=Callable[..., Any])

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
config = click.option(
    "--config",
    type=click.Path(path_type=Path),
    envvar="KINORA_CONFIG",
    help="Configuration file.  [default: kinora.toml in the current folder, if it is there]",
)
job_id = click.argument("job_id", metavar="JOB_ID")
job_ids = click.argument("job_ids", nargs=-1, required=True, metavar="JOB_ID...")
plugins_dir = click.option(
    "--plugins-dir", type=click.Path(path_type=Path), help="Folder of further plugins: *.py files and packages."
)
watch = click.option(
    "--watch",
    flag_value=True,
    default=None,
    type=bool,
    help="Take edited plugins for the next job, and say so in the log.",
)
models_dir = click.option(
    "--models-dir", type=click.Path(path_type=Path), help="Folder of models.  [default: the current folder]"
)
device = click.option("--device", default="auto", show_default=True, help="auto, cpu, gpu or cuda:N.")


def _require(ctx: click.Context, param: click.Parameter, named: Sequence[str]) -> Sequence[str]:
    if not named:
        raise click.MissingParameter("`kinora plugins list` lists those that there are", ctx=ctx, param=param)
    return named


_plugin = partial(
    click.option,
    "-p",
    "--plugin",
    "plugins",
    multiple=True,
    metavar="NAME",
    help="A plugin to run, in the order given; repeatable.",
)
plugins, plugins_if_any = _plugin(callback=_require), _plugin()
plugin_options = click.option(
    "-o",
    "--option",
    "plugin_options",
    multiple=True,
    metavar="PLUGIN.KEY=VALUE",
    help="An option of a plugin; a value that is not JSON is text, if it begins with neither [ nor {.  Repeatable.",
)

_EVERY = click.option(
    "--every",
    multiple=True,
    metavar="PLUGIN=N",
    help="Have a plugin work on every Nth frame only, from the first one on.  Repeatable.",
)
_SIDE = click.option(
    "--side",
    multiple=True,
    metavar="PLUGIN",
    help="Have a plugin work at the side: it never slows the others, and takes the newest frame when it is free.  "
    "Repeatable.",
)
_REPLICAS = click.option(
    "--replicas",
    multiple=True,
    metavar="PLUGIN=N",
    help="Have a plugin work in at most N processes at once.  Repeatable.",
)


def of_plugins(command: Command) -> Command:
    """Give a command what can be asked of each plugin; see :func:`plugin_requests`."""
    return plugin_options(_EVERY(_SIDE(_REPLICAS(command))))


class Seconds(click.ParamType[int]):
    """A time limit, written in seconds; its value is in whole milliseconds."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The milliseconds; a value out of range is refused."""
        try:
            seconds = float(value)
        except ValueError:
            seconds = 0.0
        if not 1 <= seconds * 1000 <= MAX_TIMEOUT_MS:
            self.fail(f"{value!r} is not a time in seconds from 0.001 to {MAX_TIMEOUT_MS // 1000:,}", param, ctx)
        return round(seconds * 1000)


class Amount(click.ParamType[tuple[str, float]]):
    """So much of a thing, written as NAME=NUMBER."""

    name = "name=number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        """The name and the number; the server knows their limits."""
        name, _, number = str(value).partition("=")
        try:
            return name, float(number)
        except ValueError:
            self.fail(f"{value!r} is not a name and a number, such as licence=1", param, ctx)


class Segments(click.ParamType[int | str]):
    """A number of pipelines, or ``auto``."""

    name = "segments"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """The number or the word; anything else is refused."""
        is_number = isinstance(value, int) or (value.isdecimal() and 1 <= int(value) <= MAX_SEGMENTS)
        if value == AUTO or is_number:
            return AUTO if value == AUTO else int(value)
        return self.fail(f"{value!r} is neither a number from 1 to {MAX_SEGMENTS} nor {AUTO}", param, ctx)


JOB_OPTIONS = (
    click.option("--max-frames", type=click.IntRange(min=1), help="Stop after this many frames."),
    click.option("--stride", type=click.IntRange(min=1), help="Take every Nth frame.  [default: 1]"),
    click.option(
        "--policy",
        type=click.Choice(["wait", "latest"]),
        help="wait: process every frame. latest: drop waiting frames for newer ones.  [default: latest for a live "
        "stream, else wait]",
    ),
    click.option(
        "--max-outage",
        "max_outage_s",
        type=click.FloatRange(0, MAX_OUTAGE_S),
        metavar="SECONDS",
        help="Wait no longer for a camera that is away, and end with what there was.  [default: wait without end]",
    ),
    click.option(
        "--segments",
        type=Segments(),
        metavar="N",
        help="Cut a file into segments for as many pipelines at once, if its plugins are all stateless; auto: as many "
        "as help.  [default: 1]",
    ),
    click.option(
        "--plugin-timeout",
        "plugin_timeout_ms",
        type=Seconds(),
        help="Time for one frame in one plugin, whose process is killed after that.  [default: 10]",
    ),
    click.option(
        "--prepare-timeout", "prepare_timeout_ms", type=Seconds(), help="Time for a plugin to prepare.  [default: 120]"
    ),
    click.option(
        "--cpus",
        type=click.FloatRange(0, MAX_CPUS),
        help="Cores that an agent must have left for the job.  [default: 1]",
    ),
    click.option(
        "--gpus",
        type=click.FloatRange(0, MAX_GPUS),
        help="GPUs that it must have left for the job; half of one is 0.5.  [default: 0]",
    ),
    click.option(
        "--resource",
        "resources",
        multiple=True,
        type=Amount(),
        callback=lambda _context, _option, given: dict(given) or None,
        help="Another thing that an agent must have left for the job, by the name that its operator gave it.  "
        "Repeatable.",
    ),
)
"""The command-line options of the ``options`` of a job request."""
NO_DATA_DIR = {"data_dir": Path(os.devnull)}
"""The flag for commands that keep no data in the data folder: they need no home folder for its default."""


def of_job(command: Command) -> Command:
    """Give a command the options of a job request; see :func:`job_options`."""
    for option in reversed(JOB_OPTIONS):
        command = option(command)
    return command


def job_options(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The ``options`` of a job request, from a command's arguments; those not given have the server's defaults."""
    names = (field.name for field in attrs.fields(JobOptions))
    return {name: asked[name] for name in names if asked[name] is not None}


def _warn(sentence: str) -> None:
    print_line(f"kinora: warning: {sentence}", file="stderr")


def load(flags: Mapping[str, Any], path: Path | None = None, *, warn: Callable[[str], object] = _warn) -> Settings:
    """The settings; an error in them is raised as a sentence for the user, what is passed over goes to ``warn``."""
    return read(flags, path, warn=warn).settings


def read(flags: Mapping[str, Any], path: Path | None = None, *, warn: Callable[[str], object] = _warn) -> Reading:
    """The settings as by :func:`load`, and where each comes from."""
    try:
        reading = read_settings(flags, os.environ, path)
    except SettingsError as error:
        raise Misuse(str(error)) from error
    for sentence in passed_over(os.environ):
        warn(sentence)
    return reading


def is_plugin_file(plugin: str) -> bool:
    """Whether ``plugin`` is the path of a plugin's file, and not the name of a plugin."""
    return plugin.endswith(".py") or "/" in plugin


def plugin_requests(
    names: Sequence[str],
    given: Sequence[str],
    *,
    every: Sequence[str] = (),
    side: Sequence[str] = (),
    replicas: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """The ``plugins`` of a job request.

    It is made from ``-p NAME``, ``-o NAME.KEY=VALUE``, ``--every NAME=N``, ``--side NAME`` and ``--replicas NAME=N``.
    """
    requests: dict[str, dict[str, Any]] = {name: {"name": name, "options": {}} for name in names}
    for text in given:
        plugin, key, value = _split(text)
        _entry(requests, plugin, f"-o {text}")["options"][key] = value
    for text in every:
        plugin, turn = _numbered("--every", text, "faces=10")
        _entry(requests, plugin, f"--every {text}")["every"] = turn
    for plugin in side:
        _entry(requests, plugin, f"--side {plugin}")["side"] = True
    for text in replicas:
        plugin, most = _numbered("--replicas", text, "people=2")
        _entry(requests, plugin, f"--replicas {text}")["replicas"] = most
    return [requests[name] for name in names]


def _entry(requests: Mapping[str, dict[str, Any]], plugin: str, said: str) -> dict[str, Any]:
    if plugin not in requests:
        raise Misuse(f"{said}: plugin {plugin!r} is not in this job; its plugins are {', '.join(requests)}")
    return requests[plugin]


def _split(text: str) -> tuple[str, str, Any]:
    place, equals, value = text.partition("=")
    plugin, dot, key = place.partition(".")
    if not (equals and dot and plugin and key):
        raise Misuse(f"-o {text}: write it as PLUGIN.KEY=VALUE, for example -o motion.size=200")
    try:
        return plugin, key, json.loads(value)
    except ValueError as error:
        if not value.startswith(("[", "{")):
            return plugin, key, value
        raise Misuse(f"-o {place}: is not JSON: {error}; text that begins so stands in double quotes") from error


def _numbered(flag: str, text: str, example: str) -> tuple[str, int]:
    plugin, _, number = text.rpartition("=")
    if not plugin or not number.isdecimal():
        raise Misuse(f"{flag} {text}: write it as PLUGIN=N, for example {flag} {example}")
    return plugin, int(number)
