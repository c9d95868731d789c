"""Joining what several instances of a plugin returned from ``finalize``: in a process, within limits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from kinora.actors.stages import merging
from kinora.actors.stages.merging import MergeFailed, Merger
from kinora.plugins.protocol import BATCH_BYTES, Origin
from kinora.runtime.forking.workers import ForkServer
from tests.jobs_kit import write_plugin
from tests.traces import no_traces

SUM = [b'{"frames": 2}', b'{"frames": 3}']


@pytest.fixture
async def forks() -> AsyncIterator[ForkServer]:
    """A fork server, which has no process at the end that it did not have at the start."""
    async with trio.open_nursery() as nursery:
        forks = ForkServer(["kinora.plugins.worker"])
        await nursery.start(forks.run)
        with no_traces(forks):
            yield forks
        nursery.cancel_scope.cancel()


def merger(forks: ForkServer, folder: Path, body: str) -> Merger:
    """One whose plugin has this body of ``merge``."""
    text = f"""
        class Sums(Plugin):
            metadata = PluginMetadata(name="sums", stateless=True)
            def process_frame(self, frame):
                return None
            def merge(self, results):
                {body}
    """
    write_plugin(folder, "sums", text)
    return Merger(forks, "job", {"sums": Origin(kind="file", location=str(folder / "sums.py"), attribute="Sums")})


async def test_the_plugin_merges_in_a_process_of_its_own(forks: ForkServer, tmp_path: Path) -> None:
    """What it returns is the result."""
    body = "return {'frames': sum(result['frames'] for result in results), 'here': os.getpid()}"
    done = await merger(forks, tmp_path, body).merge("sums", SUM)
    assert done.result is not None
    assert done.result.startswith(b'{"frames":5,"here":')


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise ValueError('no good')", "ValueError: no good"),
        ("os.abort()", "its process was killed by SIGABRT"),
        ("time.sleep(1000)", "no answer within 0 s; its process was killed"),
    ],
)
async def test_a_merge_that_fails_is_told_in_words(
    forks: ForkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, words: str
) -> None:
    """An exception, a crash, a hang."""
    if "sleep" in body:
        monkeypatch.setattr(merging, "MERGE_TIMEOUT_S", 0.1)
    with pytest.raises(MergeFailed, match=words):
        await merger(forks, tmp_path, body).merge("sums", SUM)


async def test_a_process_that_is_killed_from_outside_gets_another(forks: ForkServer, tmp_path: Path) -> None:
    """The first one is killed as the system does it; the second succeeds."""
    once = tmp_path / "once"
    body = (
        f"return {{'ok': 1}} if os.path.exists({str(once)!r}) else (open({str(once)!r}, 'w'), os.kill(os.getpid(), 9))"
    )
    done = await merger(forks, tmp_path, body).merge("sums", SUM)
    assert done.result == b'{"ok":1}'


async def test_too_much_is_not_sent(forks: ForkServer, tmp_path: Path) -> None:
    """The bytes of all together are bounded."""
    with pytest.raises(MergeFailed, match="at most 12582912 are merged"):
        await merger(forks, tmp_path, "return None").merge("sums", [b" " * BATCH_BYTES, b"{}"])
