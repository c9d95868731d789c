"""What ``kinora run`` asks for, as the settings of its system and the request for its job."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kinora.actors.requests.job_request import JobRequest, parse_job_request
from kinora.actors.sources.source_finder import DEMO_SOURCE
from kinora.cli.exits import Misuse
from kinora.cli.flags import options
from kinora.cli.flags.paths import real_path
from kinora.cli.local.run_arguments import RunArguments
from kinora.media.source_types import SourceError
from kinora.plugins.own_python import PROJECT
from kinora.runtime.files.missing_paths import no_such_path
from kinora.settings import Settings
from kinora.settings.of_run import allowing, is_path, settings_of_run
from kinora.system import System


def own_settings(settings: Settings, plugins: Sequence[str], folder: Path) -> Settings:
    """Settings that keep all data in ``folder`` and have the plugin files among ``plugins``."""
    files = [plugin_file(name) for name in plugins if options.is_plugin_file(name)]
    return settings_of_run(settings, folder, files)


def settings_for(settings: Settings, wanted: RunArguments, folder: Path) -> tuple[Settings, str]:
    """Settings that keep all data in ``folder`` and allow the source, and the source's name under them."""
    settings = own_settings(settings, wanted.plugins, folder)
    source = real_path(wanted.source) if is_path(wanted.source) else wanted.source
    if isinstance(source, Path) and not source.exists():
        raise Misuse(no_such_path("file or folder", wanted.source, DEMO_SOURCE))
    try:
        return allowing(settings, source)
    except SourceError as error:
        raise Misuse(str(error)) from error


def plugin_file(plugin: str) -> Path:
    """The path of a plugin's file or package, as it is given.

    Raises:
        Misuse: there is none, or it is another folder, such as that around a package.
    """
    path = real_path(plugin)
    if not path.exists():
        raise Misuse(no_such_path("file", plugin))
    if path.is_dir() and not (path / "__init__.py").exists():
        packages = [init.parent.name for init in path.glob("*/__init__.py") if init.parent.name != "tests"]
        if len(packages) == 1 and (path / PROJECT).exists():
            advice = f"for the package in it write {plugin.rstrip('/')}/{packages[0]}"
        else:
            advice = f"for the plugins in it write --plugins-dir {plugin}"
        raise Misuse(f"{plugin}: this folder has no __init__.py; {advice}")
    return path


def require_path(system: System, plugin: str) -> None:
    """Refuse a name that is no plugin's, but a file's in the working folder.

    Raises:
        Misuse: it is; the sentence says what to write.
    """
    if system.plugins.get(plugin) is None and Path(f"{plugin}.py").is_file():
        raise Misuse(f"There is no plugin {plugin!r}; for the file in this folder write ./{plugin}.py")


def request_of(names: Sequence[str], wanted: RunArguments, source: str) -> JobRequest:
    """The request for a job over ``source`` with the plugins of these names."""
    return parse_job_request(
        {
            "source": source,
            "plugins": options.plugin_requests(
                names, wanted.plugin_options, every=wanted.every, side=wanted.side, replicas=wanted.replicas
            ),
            "device_requested": wanted.device,
            "options": wanted.job_options,
        }
    )


def plugin_names(system: System, plugin: str) -> list[str]:
    """The names of the plugins that a file defines; any other argument is a name itself."""
    if not options.is_plugin_file(plugin):
        require_path(system, plugin)
        return [plugin]
    entries = system.plugins.defined_in(real_path(plugin))
    broken = [entry.broken for entry in entries if entry.broken]
    if broken or not entries:
        raise Misuse(f"{plugin}: {broken[0] if broken else 'defines no plugin'}")
    return [entry.name for entry in entries]
