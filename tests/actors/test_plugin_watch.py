"""An edited plugin is taken for the next job, and the log says so."""

from __future__ import annotations

from pathlib import Path

import attrs
from structlog.testing import capture_logs

from kinora.actors.plugins.plugin_watch import PluginWatch, changed_files
from kinora.plugins.own_python import INSTALLED
from kinora.settings import Settings
from kinora.system import open_system

PLUGIN = """
from kinora.plugins import tool
from level import LEVEL

@tool("light", version="{version}")
def light(frame):
    return {{"level": LEVEL}}
"""


async def test_an_edited_plugin_is_taken_for_the_next_job(settings: Settings, plugins_dir: Path) -> None:
    """So is a file that it imports; a broken one is told with the reason; a file that is still written waits."""
    file, beside = plugins_dir / "light.py", plugins_dir / "level.py"
    file.write_text(PLUGIN.format(version="1.0"))
    beside.write_text("LEVEL = 1")
    async with open_system(attrs.evolve(settings, plugins_dir=plugins_dir)) as system:
        watch = PluginWatch(system.plugins, system.plugin_records)

        async def told_after_looks() -> list[str]:
            with capture_logs() as lines:
                await watch.look()
                assert lines == []  # it may still be written
                await watch.look()
                await watch.look()
            return [f"{line['event']}: {line.get('plugin', line.get('changed'))}" for line in lines]

        def version() -> str:
            entry = system.plugins.get("light")
            assert entry is not None
            return entry.broken or (entry.metadata.version if entry.metadata else "")

        assert await told_after_looks() == []
        file.write_text(PLUGIN.format(version="1.1.0"))
        again = "plugins are read again, for the jobs that start from now on"
        assert await told_after_looks() == [f"{again}: light.py", "a plugin has changed: light"]
        assert version() == "1.1.0"
        beside.write_text("LEVEL = 1000")
        assert await told_after_looks() == [f"{again}: level.py", "a plugin has changed: light"]
        beside.write_text("LEVEL = 1 +")
        assert await told_after_looks() == [
            f"{again}: level.py",
            "a plugin is broken: level",
            "a plugin is broken: light",
        ]
        assert "SyntaxError" in version()


async def test_an_environment_that_was_installed_is_taken(settings: Settings, plugins_dir: Path) -> None:
    """The files of the plugin stay the same; what it needs, and what is installed, stand beside them."""
    (plugins_dir / "own").mkdir()
    (plugins_dir / "own" / "__init__.py").write_text("raise ImportError")
    project = plugins_dir / "pyproject.toml"
    async with open_system(attrs.evolve(settings, plugins_dir=plugins_dir)) as system:
        watch = PluginWatch(system.plugins, system.plugin_records)

        async def reason() -> str | None:
            for _ in range(3):
                await watch.look()
            entry = system.plugins.get("own")
            return None if entry is None else entry.broken

        assert "ImportError" in str(await reason())
        project.write_text('[tool.kinora]\nrequirements = ["lamps"]\n')
        assert "are not installed" in str(await reason())
        (plugins_dir / ".venv").mkdir()
        (plugins_dir / ".venv" / INSTALLED).write_text('["lamps"]')
        assert "there is no interpreter" in str(await reason())


def test_what_has_changed_is_named() -> None:
    """Written, new and gone."""
    same, written, gone, new = (Path(name) for name in ("same", "written", "gone", "new"))
    before, now = {same: (1, 1), written: (1, 1), gone: (1, 1)}, {same: (1, 1), written: (2, 1), new: (1, 1)}
    assert changed_files(before, now) == [gone, new, written]
