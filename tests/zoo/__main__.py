"""Lets every animal of the zoo loose, one after the other, and writes the outcomes to ``docs/guarantee.md``."""

from __future__ import annotations

import re
import statistics
import tempfile
from pathlib import Path

import trio

from kinora.settings import Settings
from kinora.system import System, open_system
from tests.clips import make_clip
from tests.zoo.animals import FAMILIES
from tests.zoo.keeper import HANG_TIMES_MS, Cage, LoopWatch, Sighting, let_loose, results_without

PAGE = Path(__file__).parents[2] / "docs" / "guarantee.md"
TABLE = "| it … | in | warnings | frames lost | health | ms |"
LONGEST_TEXT = 100
"""The most characters of a warning."""
ALONE_ROUNDS = 5
HEAD = """\
# No plugin can break a job

Each line is a job over a video of 30 frames with two plugins: one that misbehaves, and after it one that does not.
Every job ended `done` with all its frames. The other plugin's results were the same as without the first. No process,
thread, descriptor or shared memory was left. `tests/zoo` checks all of this on every change. Only results of the plugin
that misbehaves are lost, and the client is told why.

"In" is the place where it misbehaves: while its module is imported, in `prepare`, in `process_frame`, mostly from
frame 5 on, in `finalize`, in `save_state` from frame 5 on, or in `load_state` after it has died there. (A plugin that
cannot be imported when the server looks for plugins is listed as broken, with the reason, and no job gets it.)
"Frames lost" are those without a result of it. "ms" is the duration of the job, which is {alone} ms without it. These
jobs end a hang after {frame} ms for a frame and {prepare} ms elsewhere (`plugin_timeout_ms`, `prepare_timeout_ms`),
and disable the plugin after three, with 0.1 s and 0.2 s in between. In all jobs together, no step of any task of the
server took more than {longest} ms.

The same holds for jobs that run at an [agent](scale.md): in the tests each of these plugins, in one of its places, runs
in a real agent process, twelve jobs at once. The warnings, the frames lost and the health are those of this page, and
the agent stands afterwards, with no process more than before.

`python -m tests.zoo` makes this page.
"""


async def main() -> None:
    """One system for each family, one job at a time."""
    lines: list[str] = []
    longest: list[float] = []
    alone: list[float] = []
    for family, animals in FAMILIES.items():
        lines += ["", f"## Plugins that {family}", "", TABLE, "|---|---|---|---:|---|---:|"]
        with tempfile.TemporaryDirectory() as name:
            settings, cage = prepared(Path(name), family)
            async with open_system(settings) as system:
                with LoopWatch() as watch:
                    for animal in animals:
                        for where in animal.where:
                            lines.append(row(await let_loose(system, cage, animal, where, HANG_TIMES_MS)))
                            print(lines[-1], flush=True)  # noqa: T201 - a script
                    alone += [await time_alone(system) for _ in range(ALONE_ROUNDS)]
                longest.append(watch.longest_ms)
    head = HEAD.format(
        alone=round(statistics.median(alone) * 1000),
        frame=HANG_TIMES_MS["plugin_timeout_ms"],
        prepare=HANG_TIMES_MS["prepare_timeout_ms"],
        longest=round(max(longest)),
    )
    PAGE.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")


def prepared(folder: Path, family: str) -> tuple[Settings, Cage]:
    """A folder with videos and the plugins of a family."""
    for name in ("media", "plugins"):
        (folder / name).mkdir()
    make_clip(folder / "media" / "clip.mp4")
    make_clip(folder / "media" / "long.mp4", frames=1010, width=64, height=48)
    settings = Settings(
        data_dir=folder / "data", media_dir=folder / "media", plugins_dir=folder / "plugins", min_free_bytes=0
    )
    return settings, Cage.build(folder / "plugins", FAMILIES[family])


async def time_alone(system: System) -> float:
    """Seconds that the job takes without an animal."""
    began = trio.current_time()
    await results_without(system, "clip.mp4")
    return trio.current_time() - began


def row(sighting: Sighting) -> str:
    """One line of the page."""
    animal = sighting.animal
    warnings = "<br>".join(f"`{code}`{said(sighting, code)}" for code in sighting.codes) or "—"
    health = sighting.state.plugins[sighting.name].health
    ms = round(sighting.seconds * 1000)
    return f"| {animal.does} | {sighting.where} | {warnings} | {len(sighting.lost)} | `{health}` | {ms:,} |"


def said(sighting: Sighting, code: str) -> str:
    """The warning of this code in ``/extended``, without the plugin's name."""
    if code == "PLUGIN_DISABLED":
        return ""
    first = next(warning["message"] for warning in sighting.warnings if warning["code"] == code)
    said = (text.removeprefix(f"{sighting.name}: ") for text in sighting.state.warnings)
    return " " + shortened(next(text for text in said if text.startswith(first)))


def shortened(text: str) -> str:
    """A text on one line of a table."""
    text = re.sub(r"\s+", " ", text).replace("|", "\\|")
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"


if __name__ == "__main__":
    trio.run(main)
