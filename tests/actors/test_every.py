"""Plugins that work on every Nth frame: their turns count from the job's first frame, whoever runs it."""

from __future__ import annotations

from pathlib import Path

import trio

from kinora.settings import Settings
from kinora.system import open_system
from tests.jobs_kit import CLIP_FRAMES, ended, frames_of, messages_of, submit, write_plugin

SAFETY_S = 120.0
"""Far more than any of it takes on a busy machine."""
PLUGINS = """
class Held(Plugin):
    metadata = PluginMetadata(name="held", stateless=True)

    def process_frame(self, frame):
        while frame.index >= 10 and not os.path.exists(GO):
            time.sleep(0.01)
        return {"index": frame.index, "saw": sorted(frame.results)}

class Counts(Plugin):
    metadata = PluginMetadata(name="counts")
    seen = 0

    def process_frame(self, frame):
        self.seen += 1
        return {"seen": self.seen}

    def save_state(self):
        return str(self.seen).encode()

    def load_state(self, data):
        self.seen = int(data)

@tool("pure", stateless=True)
def pure(frame):
    return {"index": frame.index}
"""


async def test_turns_count_from_the_first_frame_also_after_a_restart(
    settings: Settings, plugins_dir: Path, tmp_path: Path
) -> None:
    """By frames that are processed; the others lack the result without a warning. One that remembers counts on."""
    go = tmp_path / "go"
    write_plugin(plugins_dir, "turns", PLUGINS.replace("GO", repr(str(go))))
    counts = {"name": "counts", "options": {}, "every": 3}
    pure = {"name": "pure", "options": {}, "every": 4}
    with trio.fail_after(SAFETY_S):
        async with open_system(settings) as system:
            state = await submit(system, pure, counts, "held", stride=2)
            while state.frames_done < 5:
                state = await system.jobs.wait_changed(state.job_id, state)
        async with open_system(settings) as system:
            await trio.Path(go).touch()
            state = await ended(system, await system.jobs.state(state.job_id))
            frames = await frames_of(system, state)
            told = messages_of(system, state.job_id, "frame")
    indexes = range(0, CLIP_FRAMES, 2)
    turns = list(indexes)[::4]
    assert [frame["index"] for frame in frames] == list(indexes)
    assert [frame["index"] for frame in frames if "pure" in frame["results"]] == turns
    assert [frame["index"] for frame in frames if "pure" in frame["results"]["held"]["saw"]] == turns
    counted = {frame["index"]: frame["results"]["counts"]["seen"] for frame in frames if "counts" in frame["results"]}
    assert counted == {0: 1, 6: 2, 12: 3, 18: 4, 24: 5}
    assert {message["payload"]["index"] for message in told if message["payload"]["plugin"] == "pure"} <= set(turns)
    assert (state.status, state.plugins["pure"].frames, state.plugins["held"].frames) == ("done", 4, 15)
    assert state.plugins["pure"].every == 4
    assert state.request["plugins"] == [pure, counts, {"name": "held", "options": {}}]
    assert state.warnings == ()
