"""``kinora plugins new``, ``check`` and ``install``: what helps to write a plugin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from kinora.actors.sources.source_finder import DEMO_SOURCE
from kinora.cli.exits import Failed, Misuse
from kinora.cli.flags import options
from kinora.cli.flags.folders import require_existing
from kinora.cli.flags.paths import real_path
from kinora.cli.local.local_request import plugin_file, require_path
from kinora.cli.process.errors import naming_flags
from kinora.cli.process.running import run_interruptible
from kinora.cli.terminal.findings import print_count, print_finding
from kinora.cli.terminal.output import print_json, print_line
from kinora.doctor.finding import Finding
from kinora.kit.install import NotInstalledError
from kinora.kit.install import install as make_environment
from kinora.kit.new_plugin import NotNewError, new_plugin, write_files
from kinora.log import configure_logging
from kinora.nearest import no_such
from kinora.plugins.own_python import OwnPythonError, own_python
from kinora.plugins.registry import PluginEntry
from kinora.runtime.files.temporary import temporary_folder
from kinora.settings import Settings
from kinora.settings.of_run import allowing, settings_of_run
from kinora.system import System, open_system

if TYPE_CHECKING:
    from kinora.kit.check import Tell


@click.command("new")
@click.argument("name")
@click.option("--file", "is_file", is_flag=True, help="Write one file, without tests and what an installation needs.")
def new(name: str, is_file: bool) -> None:
    """Write the first files of a plugin into the current folder: a package with tests that can be installed."""
    try:
        plugin = new_plugin(name)
        files = plugin.module_files() if is_file else plugin.package_files()
        write_files(Path(), files)
    except (NotNewError, OSError) as error:
        raise Misuse(f"No plugin {name!r} is made: {error}") from error
    for path in files:
        print_line(str(path))
    given = f"./{plugin.module}.py" if is_file else f"./{name}/{plugin.module}"
    print_line(f"Try it:   kinora run demo: -p {given}")
    print_line(f"Check it: kinora plugins check {given}")


@click.command("check")
@click.argument("plugin", metavar="PATH|NAME")
@click.option(
    "--source", type=click.Path(exists=True), help="A video, an image or a folder of images.  [default: a bundled clip]"
)
@click.option(
    "--behind", multiple=True, metavar="NAME", help="A plugin whose results it gets; repeatable, in this order."
)
@options.plugin_options
@options.device
@options.plugins_dir
@options.models_dir
@options.config
@options.as_json
@click.pass_context
def check(ctx: click.Context, /, plugin: str, config: Path | None, as_json: bool, **given: Any) -> None:
    """Check a plugin: one run over a source, and whether it keeps what plugins promise.

    PATH is a file or a folder, such as ./my.py; NAME a plugin that is installed. A plugin that needs what others have
    found gets it with --behind: kinora plugins check ./count.py --behind people --behind tracker

    Exit codes: 0 nothing failed, 1 something has. Warnings fail nothing.
    """
    flags = {name: given[name] for name in ("plugins_dir", "models_dir")}
    settings = options.load({**flags, "realtime": False, **options.NO_DATA_DIR}, config)
    configure_logging("error")
    found: list[Finding] = []
    run_interruptible(partial(_check, settings, plugin, given, partial(_tell, found, show=not as_json)))
    fails = [finding for finding in found if finding.state == "failed"]
    if as_json:
        print_json({"ok": not fails, "checks": [attrs.asdict(finding) for finding in found]})
    else:
        print_count(found)
    ctx.exit(1 if fails else 0)


def _tell(found: list[Finding], finding: Finding, *, show: bool) -> None:
    found.append(finding)
    if show:
        print_finding(finding)


async def _check(settings: Settings, plugin: str, given: Mapping[str, Any], tell: Tell) -> None:
    from kinora.kit.check import check_plugin  # noqa: PLC0415 - it needs numpy, which other commands do without

    await require_existing(settings, "models_dir", "plugins_dir")
    path = plugin_file(plugin) if options.is_plugin_file(plugin) else None
    with temporary_folder() as folder:
        settings = settings_of_run(settings, folder, [] if path is None else [path])
        settings, source = allowing(settings, real_path(given["source"]) if given["source"] else DEMO_SOURCE)
        async with open_system(settings) as system:
            entries = _entries(system, plugin, path)
            for entry in entries:
                names = [*given["behind"], entry.name]
                with naming_flags(names):
                    request = {
                        "source": source,
                        "plugins": options.plugin_requests(names, _own(names, entries, given["plugin_options"])),
                        "device_requested": given["device"],
                    }
                    said = tell if len(entries) == 1 else partial(_tell_of, entry, tell)
                    await check_plugin(system, entry, request, folder, said)


def _tell_of(entry: PluginEntry, tell: Tell, finding: Finding) -> None:
    """Tell a finding about one of several plugins."""
    tell(attrs.evolve(finding, check=f"{entry.name}: {finding.check}"))


def _own(names: Sequence[str], entries: Sequence[PluginEntry], given: Sequence[str]) -> list[str]:
    """The options that are not of other plugins of the same file."""
    others = {entry.name for entry in entries} - set(names)
    return [text for text in given if text.partition(".")[0] not in others]


def _entries(system: System, plugin: str, path: Path | None) -> Sequence[PluginEntry]:
    """The plugins that a file defines, or the one of that name."""
    if path is None:
        require_path(system, plugin)
    every = system.plugins.all()
    named = [entry for entry in every if entry.name == plugin][:1]
    found = named if path is None else system.plugins.defined_in(path)
    if not found:
        raise Misuse(no_such("plugin", plugin, [entry.name for entry in every]))
    return found


@click.command("install")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def install(folder: Path) -> None:
    """Make the virtual environment for the requirements that a plugin's folder names in its pyproject.toml.

    It is the folder .venv beside that file, made anew each time: [tool.kinora] requirements = ["torch==2.4.1"]
    """
    try:
        own = own_python(folder.resolve())
        if own is None or not own.requirements:
            raise Misuse(f"{folder} names no requirements: write them under [tool.kinora] in its pyproject.toml")
        make_environment(own)
    except OwnPythonError as error:
        raise Misuse(str(error)) from error
    except NotInstalledError as error:
        raise Failed(f"{folder} is not installed: {error}") from error
    print_line(
        f"{folder} runs under {own.interpreter} from now on; a running server takes it after kinora plugins reload, or"
        " by itself with --watch"
    )
