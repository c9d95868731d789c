"""Jobs over videos whose pictures change their size: each frame reaches each plugin in its own size."""

from __future__ import annotations

from pathlib import Path

import pytest

from kinora.system import System
from tests.jobs_kit import frames_of, nothing_left_behind, run_job, write_plugin
from tests.media.videos import numbered, write_video

SIZES = [(160, 120)] * 3 + [(120, 160)] * 2 + [(640, 480)] * 6 + [(96, 64)] * 2 + [(800, 600)] * 4
PLUGINS = """
class Looks(Plugin):
    metadata = PluginMetadata(name="looks")
    def process_frame(self, frame):
        image = frame.image
        bar = image.shape[1] // 8
        rows = image[: image.shape[0] // 2]
        number = sum(int(rows[:, bit * bar : (bit + 1) * bar].mean() > 125) << bit for bit in range(8))
        return {"size": image.shape[1::-1], "number": number}

class Dies(Looks):
    metadata = PluginMetadata(name="dies")
    def process_frame(self, frame):
        if frame.index in (4, 5, 12):
            os._exit(1)
        return super().process_frame(frame)
"""


@pytest.fixture(autouse=True)
def _sources(media: Path, plugins_dir: Path) -> None:
    parts = [
        write_video(media / "part.h264", [numbered(n, *size)], options={"bf": "0"}).read_bytes()
        for n, size in enumerate(SIZES)
    ]
    (media / "grows.h264").write_bytes(b"".join(parts))
    write_plugin(plugins_dir, "plugins", PLUGINS)


async def test_each_frame_is_seen_in_its_own_size(system: System) -> None:
    """By every plugin, over as many rings as that takes, also where one of them begins anew in between."""
    with nothing_left_behind(system):
        state = await run_job(system, "looks", "dies", source="grows.h264")
    assert (state.status, state.frames_done) == ("done", len(SIZES))
    frames = await frames_of(system, state)
    assert [(frame["width"], frame["height"]) for frame in frames] == SIZES
    seen = [{"size": list(size), "number": number} for number, size in enumerate(SIZES)]
    assert [frame["results"]["looks"] for frame in frames] == seen
    assert [frame["results"].get("dies") for frame in frames] == [
        None if number in (4, 5, 12) else result for number, result in enumerate(seen)
    ]
