"""Finding plugins: a process of its own looks into each place, and all that it finds is listed."""

import os
import sys
import textwrap
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
import trio
import trio.testing

from kinora.plugins import registry as registry_module
from kinora.plugins.api import PluginMetadata
from kinora.plugins.discovery import find_candidates
from kinora.plugins.loading import load
from kinora.plugins.protocol import OptionsChecked, Origin
from kinora.plugins.registry import PluginEntry, PluginRegistry, settle_names
from kinora.runtime.forking.workers import ForkServer

GOOD = """
from kinora.plugins import Frame, Plugin, PluginMetadata

class Brightness(Plugin):
    metadata = PluginMetadata(
        name="{name}", version="1.2.3", tags=["light"], config_schema={{"properties": {{"gain": {{"default": 1}}}}}}
    )

    def process_frame(self, frame: Frame) -> dict:
        return {{}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The plugins folder."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    return folder


@pytest.fixture
async def fork_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[ForkServer]:
    """A running registry, whose workers also find packages in the ``site`` folder."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.syspath_prepend(site)
    server = ForkServer(["kinora.plugins.worker"])
    async with trio.open_nursery() as nursery:
        await nursery.start(server.run)
        yield server
        nursery.cancel_scope.cancel()


@pytest.fixture
async def registry(fork_server: ForkServer, folder: Path) -> PluginRegistry:
    """Over the folder, empty so far."""
    return PluginRegistry(fork_server, plugins_dir=folder)


def write(path: Path, text: str) -> Path:
    """A file with this text, its folders made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text))
    return path


def good(path: Path, name: str) -> Path:
    """A working plugin of this name."""
    return write(path, GOOD.format(name=name))


def install(site: Path, module: str, entry_points: str) -> None:
    """The files of an installed package with a working plugin and these entry points."""
    good(site / f"{module}.py", module)
    write(site / f"{module}-1.0.dist-info" / "METADATA", f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    write(site / f"{module}-1.0.dist-info" / "entry_points.txt", f"[kinora.plugins]\n{entry_points}\n")


def ours(registry: PluginRegistry) -> list[PluginEntry]:
    """The entries that do not come with Kinora itself."""
    return [entry for entry in registry.all() if entry.origin.kind != "builtin"]


async def reason_of(registry: PluginRegistry, folder: Path, text: str) -> str:
    """The reason for which a plugin of this text is broken."""
    (reason,) = await reasons_of(registry, folder, [text])
    return reason


async def reasons_of(registry: PluginRegistry, folder: Path, texts: Iterable[str]) -> list[str]:
    """The reasons for which plugins of these texts are broken, all found by one reload."""
    names = [write(folder / f"odd{number}.py", text).stem for number, text in enumerate(texts)]
    await registry.reload()
    reasons = []
    for name in names:
        entry = registry.get(name)
        assert entry is not None
        assert entry.metadata is None
        assert entry.broken is not None
        reasons.append(entry.broken)
    assert not {*names} & {*registry.names()}
    return reasons


async def test_files_and_packages_of_the_folder_are_found(registry: PluginRegistry, folder: Path) -> None:
    """They come with their metadata, sorted by file; private and foreign files are left alone."""
    good(folder / "b.py", "second")
    good(folder / "a" / "__init__.py", "first")
    for ignored in ("_private.py", ".hidden.py", "notes.txt", "data/readme.md", "__pycache__/b.py"):
        write(folder / ignored, "raise RuntimeError")
    await registry.reload()
    first, second = ours(registry)
    assert (first.name, second.name) == ("first", "second")
    assert first.origin == Origin(kind="file", location=str(folder / "a"), attribute="Brightness")
    assert second.metadata == PluginMetadata(
        name="second",
        version="1.2.3",
        tags=("light",),
        config_schema={"properties": {"gain": {"default": 1}}},
    )
    assert second.defaults == OptionsChecked(filled=b'{"gain":1}')
    assert registry.get("second") is second
    assert registry.get("third") is None
    assert {"first", "second"} <= set(registry.names())


async def test_single_files_are_found(fork_server: ForkServer, tmp_path: Path) -> None:
    """A file given by name is a plugin like any other, and one that is not there is listed as broken."""
    path = good(tmp_path / "mine.py", "mine")
    registry = PluginRegistry(fork_server, plugin_files=[path, tmp_path / "gone.py"])
    await registry.reload()
    assert "mine" in registry.names()
    gone = registry.get("gone")
    assert gone is not None
    assert gone.broken is not None
    assert "does not exist" in gone.broken


async def test_entry_points_are_found_without_being_imported(fork_server: ForkServer, tmp_path: Path) -> None:
    """An installed package's plugin is there, and the server itself has not imported it."""
    install(tmp_path / "site", "kinora_test_light", "light = kinora_test_light:Brightness")
    registry = PluginRegistry(fork_server)
    await registry.reload()
    (entry,) = ours(registry)
    assert (entry.name, entry.broken) == ("kinora_test_light", None)
    assert entry.origin == Origin(kind="entry_point", location="kinora_test_light", attribute="Brightness")
    assert "kinora_test_light" not in sys.modules


async def test_broken_entry_points_are_listed(fork_server: ForkServer, tmp_path: Path) -> None:
    """An entry that names nothing, one that cannot be read and one of a missing class get different reasons."""
    points = "gone = kinora_test_gone:Plugin\nodd = not a module!\nclassless = kinora_test_half:Missing"
    install(tmp_path / "site", "kinora_test_half", points)
    registry = PluginRegistry(fork_server)
    await registry.reload()
    reasons = {entry.name: entry.broken or "" for entry in ours(registry)}
    assert set(reasons) == {"gone", "odd", "classless"}
    assert "kinora_test_gone" in reasons["gone"]
    assert "package.module:Class" in reasons["odd"]
    assert "Missing" in reasons["classless"]


def test_built_in_plugins_come_first(folder: Path) -> None:
    """Then entry points, then files, so that the built-in ones keep their names."""
    good(folder / "motion.py", "motion")
    kinds = [candidate.origin.kind for candidate in find_candidates(folder, [folder / "motion.py"])]
    assert kinds == sorted(kinds, key=["builtin", "entry_point", "file"].index)
    assert kinds.count("file") == 1


async def test_the_built_in_plugins_work(registry: PluginRegistry) -> None:
    """All that come with Kinora are found, can be imported and have a schema of their options."""
    await registry.reload()
    builtin = {entry.name: entry for entry in registry.all() if entry.origin.kind == "builtin"}
    assert set(builtin) >= {"motion", "people", "faces", "tracker", "quality", "colors", "scenes"}
    for entry in builtin.values():
        assert entry.broken is None
        assert entry.metadata is not None
        assert entry.metadata.config_schema is not None


UNIMPORTABLE = (
    ("raise ValueError('no model here')", "ValueError: no model here"),
    ("def broken(:", "SyntaxError"),
    ("import kinora_no_such_module", "kinora_no_such_module"),
    ("raise SystemExit(3)", "SystemExit"),
    ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ("import os; os._exit(3)", "on import its process ended with exit code 3"),
    ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "on import its process was killed by SIGSEGV"),
    ("import os; os.closerange(3, 100); os._exit(0)", "on import its process ended with exit code 0"),
    ("import os; os.write(3, b'rubbish' * 10); os._exit(0)", "wrote into the channel"),
    ("x = 1", "defines no plugin"),
    ("from kinora.plugins import Plugin\nclass A(Plugin):\n    pass", "has no metadata"),
)
"""What fails on import → words of the reason."""


async def test_what_cannot_be_imported_is_listed_with_the_reason(registry: PluginRegistry, folder: Path) -> None:
    """A plugin that fails in any way on import is broken, and the others are found."""
    good(folder / "fine.py", "fine")
    reasons = await reasons_of(registry, folder, (text for text, _ in UNIMPORTABLE))
    for (text, words), reason in zip(UNIMPORTABLE, reasons, strict=True):
        assert words in reason, text
    assert "fine" in registry.names()


async def test_modules_that_plugins_import_are_no_broken_plugins(registry: PluginRegistry, folder: Path) -> None:
    """Nor are those that these import, base classes, or tests. Another that nobody imports may be meant as a plugin."""
    write(
        folder / "uses.py",
        "def later():\n    from boxes import area\nimport os, family as f\n" + GOOD.format(name="uses"),
    )
    write(folder / "package" / "__init__.py", GOOD.format(name="package"))
    write(folder / "package" / "inner.py", "import colours.names, json")
    write(folder / "colours" / "__init__.py", "")
    write(folder / "colours" / "names.py", "RED = 1")
    write(folder / "boxes.py", "import geometry")
    write(folder / "geometry.py", "import boxes\ndef area(): pass")
    write(folder / "family.py", "from kinora.plugins import Plugin\nclass Base(Plugin):\n    pass")
    write(folder / "alone.py", "import alone")
    for name in ("test_uses.py", "uses_test.py", "conftest.py"):
        write(folder / name, "raise SystemExit('not under pytest')")
    write(folder / "raises.py", "raise ValueError")
    write(folder / "imports.py", "import raises")
    await registry.reload()
    assert sorted(entry.name for entry in ours(registry) if entry.broken) == ["alone", "imports", "raises"]
    assert {"uses", "package"} <= set(registry.names())


async def test_a_file_that_is_named_is_told_of_though_others_import_it(fork_server: ForkServer, folder: Path) -> None:
    """It was taken for a plugin."""
    helpers = write(folder / "helpers.py", "x = 1")
    write(folder / "uses.py", "import helpers\n" + GOOD.format(name="uses"))
    registry = PluginRegistry(fork_server, plugins_dir=folder, plugin_files=[helpers])
    await registry.reload()
    entry = registry.get("helpers")
    assert entry is not None
    assert "defines no plugin" in (entry.broken or "")


async def test_one_unusable_class_is_listed_beside_the_others(registry: PluginRegistry, folder: Path) -> None:
    """With the reason, under the file's name."""
    text = (
        "from kinora.plugins import tool\n@tool('good')\ndef good(frame): ...\n@tool('bad')\nasync def bad(frame): ..."
    )
    write(folder / "both.py", text)
    await registry.reload()
    good, bad = ours(registry)
    assert (good.name, good.broken) == ("good", None)
    assert bad.name == "both"
    assert "bad.process_frame is async" in (bad.broken or "")


async def test_a_plugin_that_hangs_on_import_is_given_up(
    registry: PluginRegistry, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its time it is killed and listed; meanwhile the others are inspected."""
    monkeypatch.setattr(registry_module, "INSPECT_TIMEOUT_S", 3)
    good(folder / "fine.py", "fine")
    reason = await reason_of(registry, folder, "print('loading', flush=True)\nimport time\ntime.sleep(1000)")
    assert "took longer" in reason
    assert "fine" in registry.names()
    entry = registry.get("odd0")
    assert entry is not None
    assert entry.traceback == "loading\n"
    assert registry._fork_server.statistics().workers == 0


async def test_a_schema_that_takes_for_ever_is_given_up(
    registry: PluginRegistry, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its time its check is killed and the plugin is listed with the reason; the others are inspected."""
    monkeypatch.setattr(registry_module, "INSPECT_TIMEOUT_S", 3)
    good(folder / "fine.py", "fine")
    schema = {"properties": {"text": {"default": "a" * 40 + "!", "pattern": "^(a+)+$"}}}
    reason = await reason_of(registry, folder, METADATA.format(fields=f"name='odd', config_schema={schema}"))
    assert reason == "checking its config_schema took longer than 3 s: make it simpler"
    assert "fine" in registry.names()
    assert registry._fork_server.statistics().workers == 0


async def test_the_traceback_is_kept(registry: PluginRegistry, folder: Path) -> None:
    """The author of a broken plugin sees the line that failed."""
    await reason_of(registry, folder, "def load():\n    raise ValueError('no model')\nload()")
    entry = registry.get("odd0")
    assert entry is not None
    assert entry.traceback is not None
    assert "odd0.py" in entry.traceback
    assert "line 2" in entry.traceback


METADATA = """
from kinora.plugins import Plugin, PluginMetadata

class Odd(Plugin):
    metadata = PluginMetadata({fields})

    def process_frame(self, frame):
        return None
"""


WRONG_METADATA = (
    ("name=3", "name"),
    ("name='Größe'", "lower-case"),
    ("name=''", "lower-case"),
    ("name='x', tags=[1]", "tags"),
    ("name='x', version=None", "version"),
    ("name='x', latency_budget_ms='20'", "latency_budget_ms"),
    ("name='x', memory_limit_mb=0", "memory_limit_mb"),
    ("name='x', max_batch=0", "max_batch must be from 1 to 64, not 0"),
    ("name='x', max_batch=-3", "max_batch"),
    ("name='x', max_batch='8'", "max_batch"),
    ("name='x', max_batch=True", "max_batch"),
    ("name='x', batch_wait_ms=-1", "batch_wait_ms must be from 0 to 1000, not -1"),
    ("name='x', batch_wait_ms=1e9", "batch_wait_ms"),
    ("name='x', batch_wait_ms=float('nan')", "batch_wait_ms"),
    ("name='x', skeleton=[(0, -1)]", "skeleton must be up to 1000 pairs of numbers from 0 to 999"),
    ("name='x', skeleton=[(0, 1.5)]", "skeleton"),
    ("name='reload'", "the address of a call"),
    ("name='x', config_schema=[1]", "config_schema"),
    ("name='x', config_schema={'type': 'strange'}", "config_schema.type"),
)
"""The arguments of metadata → words of the reason."""


async def test_wrong_metadata_is_told(registry: PluginRegistry, folder: Path) -> None:
    """A plugin whose metadata the server could not work with is broken, and the field is named."""
    reasons = await reasons_of(registry, folder, (METADATA.format(fields=fields) for fields, _ in WRONG_METADATA))
    for (fields, words), reason in zip(WRONG_METADATA, reasons, strict=True):
        assert "metadata of Odd is wrong" in reason, fields
        assert words in reason, fields


async def test_of_two_with_one_name_the_first_wins(registry: PluginRegistry, folder: Path) -> None:
    """The other is listed as broken and says who has its name, and a broken one takes no name away."""
    write(folder / "a.py", "raise ValueError")
    good(folder / "b.py", "a")
    good(folder / "c.py", "a")
    await registry.reload()
    broken, winner, loser = ours(registry)
    assert registry.get("a") is winner
    assert winner.broken is None
    assert broken.broken is not None
    assert loser.metadata is None
    assert loser.broken == f"the name a is taken by {folder / 'b.py'}: rename this one"


def test_a_file_may_hold_several_plugins_but_each_name_once() -> None:
    """Two classes of one file with the same name are two plugins, of which the first wins."""
    entries = [
        PluginEntry("x", Origin(kind="file", location="/a.py", attribute=attribute), PluginMetadata(name="x"))
        for attribute in ("A", "B")
    ]
    first, second = settle_names(entries)
    assert first.broken is None
    assert second.broken is not None


async def test_reloading_shows_what_has_changed(registry: PluginRegistry, folder: Path) -> None:
    """Plugins come, go and are mended, while entries that somebody holds stay as they were."""
    good(folder / "a.py", "a")
    write(folder / "b.py", "raise ValueError")
    await registry.reload()
    held = registry.get("a")
    (folder / "a.py").unlink()
    good(folder / "b.py", "b")
    await registry.reload()
    assert [entry.name for entry in ours(registry)] == ["b"]
    assert held is not None
    assert held.metadata is not None


async def test_a_reload_finds_out_the_code_again(registry: PluginRegistry, folder: Path) -> None:
    """Broken plugins have theirs too."""
    good(folder / "a.py", "a")
    good(folder / "b.py", "b")
    await registry.reload()
    before = {entry.name: entry.code for entry in ours(registry)}
    write(folder / "b.py", "raise ValueError")
    await registry.reload()
    after = {entry.name: entry.code for entry in ours(registry)}
    assert before["a"] == after["a"]
    assert len({*before.values(), *after.values()} - {""}) == 3


async def test_while_reloading_the_old_ones_are_there(
    registry: PluginRegistry, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reload that hangs, and even one that is cancelled, takes nothing away and leaves no process behind."""
    good(folder / "a.py", "a")
    await registry.reload()
    os.mkfifo(pipe := folder.parent / "loading")
    write(folder / "slow.py", f"import time; open({str(pipe)!r}, 'w').close(); time.sleep(1000)")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(registry.reload)
        await trio.to_thread.run_sync(pipe.read_bytes, abandon_on_cancel=True)
        assert "a" in registry.names()
        nursery.cancel_scope.cancel()
    assert "a" in registry.names()
    assert registry._fork_server.statistics().workers == 0


async def test_a_folder_that_is_not_there_is_seen(fork_server: ForkServer, tmp_path: Path) -> None:
    """A mistyped plugins folder is an entry with the reason, not an empty list."""
    registry = PluginRegistry(fork_server, plugins_dir=tmp_path / "plugns")
    await registry.reload()
    entry = registry.get("plugns")
    assert entry is not None
    assert entry.broken == f"{tmp_path / 'plugns'} does not exist"


async def test_reloads_that_wait_share_the_next_one(
    registry: PluginRegistry, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many wait for a reload in progress, one more follows; it finds what was there when they called."""
    looked: list[list[str]] = []

    def watched(*places: object) -> object:
        looked.append(sorted(path.name for path in folder.glob("*.py")))
        return find_candidates(*places)  # type: ignore[arg-type]

    monkeypatch.setattr(registry_module, "find_candidates", watched)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(registry.reload)
        await trio.testing.wait_all_tasks_blocked()
        good(folder / "new.py", "new")
        for _ in range(30):
            nursery.start_soon(registry.reload)
    assert len(looked) == 2
    assert looked[1] == ["new.py"]
    assert "new" in registry.names()


async def inspected(registry: PluginRegistry) -> set[str]:
    """The built-in plugins that were looked at in a reload."""
    await registry.reload()
    return {entry.name for entry in registry.all() if entry.origin.kind == "builtin"}


async def test_only_the_plugins_that_are_needed_are_looked_at(fork_server: ForkServer, folder: Path) -> None:
    """Of the built-in ones, whose names are known; a file may define any name."""
    good(folder / "mine.py", "mine")
    registry = PluginRegistry(fork_server, plugins_dir=folder, needed={"motion", "mine"})
    assert await inspected(registry) == {"motion"}
    assert registry.names() == ["mine", "motion"]


async def test_what_is_not_found_is_looked_for_in_all_places(fork_server: ForkServer) -> None:
    """So the answer can name those that there are."""
    assert {"motion", "tracker"} < await inspected(PluginRegistry(fork_server, needed={"motin"}))


async def test_a_file_takes_no_name_of_a_built_in_plugin_that_is_not_needed(
    fork_server: ForkServer, folder: Path
) -> None:
    """The file is as broken as it is where all plugins are looked at."""
    good(folder / "mine.py", "motion")
    registry = PluginRegistry(fork_server, plugins_dir=folder, needed=())
    await inspected(registry)
    (mine,) = ours(registry)
    assert mine.broken == "the name motion is taken by kinora.plugins.builtin.motion: rename this one"


def test_a_built_in_plugin_has_the_name_of_its_entry_point() -> None:
    """By which it is found without an import."""
    built_in = [candidate for candidate in find_candidates(None, ()) if candidate.origin.kind == "builtin"]
    assert {candidate.name: load(candidate.origin).metadata.name for candidate in built_in} == {
        candidate.name: candidate.name for candidate in built_in
    }
