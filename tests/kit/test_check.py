"""``kinora plugins check`` finds what a plugin does not keep, and nothing about one that keeps all."""

from __future__ import annotations

import json
import re
from pathlib import Path
from textwrap import dedent, indent

import attrs
import numpy as np
import pytest
import trio

from kinora.doctor.finding import Finding
from kinora.kit.asking import NAMES, Asked, ask
from kinora.kit.check import LIMITS, check_plugin
from kinora.kit.comparing import alike
from kinora.kit.new_plugin import NewPlugin
from kinora.kit.questions import QUESTIONS, PromiseBroken, Subject, growth
from kinora.kit.shown import shown
from kinora.plugins.api import Frame
from kinora.plugins.loading import load
from kinora.plugins.protocol import Origin
from kinora.runtime.forking.workers import ForkServer
from kinora.settings import Settings
from kinora.system import open_system
from tests.cli.test_cli import kinora

PLUGIN = """
import random
from kinora.plugins import Plugin, PluginMetadata


class Asked(Plugin):
    metadata = PluginMetadata(name="asked", {metadata})
    seen = 0
    kept = []

{code}
"""
COUNTS = """
def process_frame(self, frame):
    self.seen += 1
    return {"metrics": {"seen": self.seen}}
"""


def subject(folder: Path, code: str, metadata: str = "") -> Subject:
    """A plugin with these methods, and a few frames."""
    path = folder / "asked.py"
    path.write_text(PLUGIN.format(code=indent(dedent(code), "    "), metadata=metadata))
    plugin = load(Origin(kind="file", location=str(path), attribute="Asked"))
    frames = [Frame(image=np.full((48, 64, 3), level, np.uint8), index=level, timestamp_ms=level) for level in range(8)]
    return Subject(plugin=plugin, options={}, models_dir=folder, frames=frames)


@pytest.mark.parametrize(
    ("question", "code", "metadata", "fault"),
    [
        ("other sizes", "def process_frame(self, frame): return {'p': int(frame.image[40, 0, 0])}", "", "64x48|16x16"),
        (
            "same again",
            "def process_frame(self, frame): return {'r': random.random()}",
            "",
            "over the same frames again",
        ),
        ("stateless", COUNTS, "stateless=True", "with frame 7 alone"),
        ("restart", COUNTS, "", "it begins anew"),
        (
            "restart",
            COUNTS + "def save_state(self): return b''\ndef load_state(self, data): pass",
            "",
            '"seen":1.* for frame 4, and not .*"seen":5',
        ),
        (
            "batches",
            COUNTS + "def process_batch(self, frames): return [None for _ in frames]",
            "max_batch=4",
            "in a batch",
        ),
        ("segments", COUNTS + "def finalize(self): return {'seen': self.seen}", "stateless=True", "without merge"),
    ],
)
def test_a_promise_that_is_not_kept_is_found(
    tmp_path: Path, question: str, code: str, metadata: str, fault: str
) -> None:
    """The finding says what was seen instead."""
    with pytest.raises(PromiseBroken, match=fault) as broken:
        QUESTIONS[question](subject(tmp_path, code, metadata))
    assert broken.value.mend


@pytest.mark.parametrize(
    ("question", "code", "found", "mend"),
    [
        ("resources", "def process_frame(self, frame): self.kept.append(b'1' * 10**6)", "kB more memory", "keep less"),
        ("no frame", "def finalize(self):\n    while True: pass", "it hangs", r"asked\.py\", line \d+ in finalize"),
    ],
)
async def test_what_needs_a_process_of_its_own_is_found(
    tmp_path: Path, question: str, code: str, found: str, mend: str
) -> None:
    """Memory that grows, in one that has no memory left over from others; and where a plugin hangs."""
    asked = subject(tmp_path, code if "process_frame" in code else f"{code}\n{COUNTS}")
    pictures = [tmp_path / f"{frame.index}.npy" for frame in asked.frames]
    for path, frame in zip(pictures, asked.frames, strict=True):
        np.save(path, frame.image)
    origin = Origin(kind="file", location=str(tmp_path / "asked.py"), attribute="Asked")
    wanted = Asked(
        origin=origin,
        options={},
        models_dir=tmp_path,
        pictures=pictures,
        results=[{}] * len(pictures),
        frame_s=0.5,
    )
    async with trio.open_nursery() as nursery:
        forks = ForkServer()
        await nursery.start(forks.run)
        finding = await ask(forks, wanted, question)
        nursery.cancel_scope.cancel()
    assert finding is not None
    assert found in finding.found
    assert re.search(mend, finding.mend)


async def test_a_plugin_that_hangs_ends_its_check(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the line at which it was, after the first frame that takes too long; no question is put to it."""
    monkeypatch.setitem(LIMITS, "plugin_timeout_ms", 500)
    path = tmp_path / "hangs.py"
    path.write_text("from kinora.plugins import tool\n@tool\ndef hangs(frame):\n    while frame.index: pass\n")
    told: list[Finding] = []
    async with open_system(attrs.evolve(settings, plugin_files=(path,))) as system:
        (entry,) = system.plugins.defined_in(path)
        request = {"source": "clip.mp4", "plugins": ["hangs"]}
        await check_plugin(system, entry, request, tmp_path, told.append)
    (failed,) = [finding for finding in told if finding.state == "failed"]
    assert "PLUGIN_TIMEOUT, 1 times" in failed.found
    assert failed.mend == f'see File "{path}", line 4 in hangs'
    assert {finding.check for finding in told} <= {"import", "metadata", "run", "time", "clients see"}


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ([100 + 5 * frame for frame in range(96)], 5),
        ([100, 110] * 48, 0),  # returned and taken again, from frame to frame
        ([100, 110] * 3, 0),
        ([100] * 70 + [900] * 26, 0),  # one large step
        ([100, 110], 0),
    ],
)
def test_memory_that_is_returned_does_not_count_as_growth(held: list[int], expected: float) -> None:
    """What a library takes for a frame and gives back at the next is not kept."""
    assert growth(held) == expected


def test_the_questions_are_all_put() -> None:
    """The names that the command knows are those of the process that answers."""
    assert tuple(QUESTIONS) == NAMES


def test_a_file_with_a_good_and_a_bad_plugin(tmp_path: Path, media: Path) -> None:
    """The one that ``kinora plugins new`` writes passes the whole check, beside one that crashes, which fails it."""
    path = tmp_path / "both.py"
    (good,) = NewPlugin("lamps").module_files().values()
    path.write_text(f"{good}\n\nimport os\nfrom kinora.plugins import tool\n@tool\ndef dies(frame): os.abort()\n")
    done = kinora(
        "plugins",
        "check",
        path,
        "--source",
        media / "clip.mp4",
        "--json",
        "-o",
        "lamps.threshold=150",
        "--device",
        "cpu",
    )
    assert done.returncode == 1
    found = [(check["check"], check["state"], check["found"]) for check in json.loads(done.stdout)["checks"]]
    lamps = {name: text for name, _, text in found if name.startswith("lamps: ")}
    assert {state for name, state, _ in found if name in lamps} == {"ok"}
    assert "draws detections" in lamps["lamps: clients see"]
    assert "ms for a frame" in lamps["lamps: time"]
    assert "MB" in lamps["lamps: resources"]
    fails = [(name, text) for name, state, text in found if state == "failed"]
    assert {name for name, _ in fails} >= {"dies: run", "dies: same again"}
    assert all("SIGABRT" in text or "PLUGIN_DISABLED" in text for _, text in fails)


def test_what_clients_see_is_named_by_what_is_done_with_it() -> None:
    """Drawn, plotted, listed or shown as JSON."""
    box = {"x": 1, "y": 2, "width": 3, "height": 4, "confidence": 0.5, "class": "cat"}
    told = shown([{"detections": [{**box, "angle": 3.0}], "metrics": {"light": 1}, "own": 1}, {"metrics": {}}])
    assert told.split("; ") == [
        "draws detections (1 boxes on 1 of the frames",
        "angle)",
        "plots metrics (light",
        "on 1 of the frames)",
        "shows as JSON own",
    ]


@pytest.mark.parametrize(("one", "other"), [({"a": [1.0]}, {"a": [1.0004]}), (None, None), ({"a": 0}, {"a": 0.0})])
def test_small_differences_of_numbers_count_as_none(one: object, other: object) -> None:
    """Libraries add up in several orders."""
    assert alike(one, other)
    assert not alike(one, {"a": [1.1]})
