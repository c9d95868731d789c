"""The questions of ``kinora plugins check``: does a plugin keep what its metadata and its methods promise?

Each is a plain function, which runs in a process of its own. It returns what it has seen, or None if it is not for this
plugin.
"""

from __future__ import annotations

import faulthandler
import itertools
import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from kinora.kit.comparing import alike, difference_of, short
from kinora.plugins.api import Frame, Plugin
from kinora.plugins.loading import remembers
from kinora.plugins.testing import PluginRun, run_checked
from kinora.runtime.linux.memory import resident_bytes
from kinora.runtime.linux.processes import children, status_of

SIZES = ((64, 48), (16, 16), (33, 21), (8, 240))
"""Widths and heights of pictures beside those of the source, in pixels."""
ALONE = 3
"""The frames that a stateless plugin gets alone: each needs an instance, which may load a model."""
GROWTH_FRAMES, GROWTH_S = 96, 20.0
"""Memory is measured over so many frames, or over so many seconds if that is shorter."""
GROWTH_BYTES = 100_000
"""A plugin that holds so many bytes more after each frame fills the memory on a long video."""
FEWEST_HELD = 4
"""Growth is told from so many measurements, or it is not told."""
MB = 2**20
STDERR = 2


class PromiseBroken(Exception):
    """The plugin does something else than it promises; ``mend`` says what to change.

    It is ``grave`` if Kinora relies on the promise, so that results are wrong where it is broken.
    """

    def __init__(self, fault: str, mend: str, *, grave: bool = False) -> None:
        super().__init__(fault, mend)
        self.fault = fault
        self.mend = mend
        self.grave = grave


@attrs.frozen(kw_only=True)
class Subject:
    """The plugin that is asked, and a few frames."""

    plugin: type[Plugin]
    options: Mapping[str, Any]
    models_dir: Path
    frames: Sequence[Frame]
    frame_s: float = 60.0
    """A plugin that takes longer for a frame, a batch or ``finalize`` hangs: its process says where it is, and ends."""

    def run(self, frames: Iterator[Frame] | Sequence[Frame], **how: Any) -> PluginRun:
        """Run a fresh instance; see :func:`~kinora.plugins.testing.run_plugin`."""
        if "restart_after" not in how:  # then a prepare comes between two frames
            frames = _in_time(frames, self.frame_s)
        try:
            return run_checked(self.plugin, frames, self.options, models_dir=self.models_dir, **how)
        finally:
            faulthandler.cancel_dump_traceback_later()

    @property
    def stateless(self) -> bool:
        """True if its metadata say so."""
        return self.plugin.metadata.stateless


def _in_time(frames: Iterable[Frame], limit_s: float) -> Iterator[Frame]:
    """Yield the frames. If the next one is not taken within the limit, this process says where it is, and ends.

    The time after the last frame runs until the caller cancels it.
    """
    for frame in frames:
        faulthandler.dump_traceback_later(limit_s, exit=True, file=STDERR)
        yield frame
    faulthandler.dump_traceback_later(limit_s, exit=True, file=STDERR)


def no_frame(subject: Subject) -> str:
    """A job may be cancelled, or its source be empty, before the first frame: ``finalize`` is called all the same."""
    subject.run([])
    return "it may end before its first frame"


def other_sizes(subject: Subject) -> str:
    """A camera may change the size of its pictures while a job runs, and small pictures are pictures too."""
    shown = [subject.frames[0].image.shape[1::-1]]

    def pictures() -> Iterator[Frame]:
        first = subject.frames[0]
        for size in (*shown, *SIZES, *shown):
            shown[:] = [size]
            yield attrs.evolve(first, image=_resized(first.image, *size), results={})

    try:
        subject.run(pictures())
    except Exception as error:
        width, height = shown[0]
        fault = f"on a picture of {width}x{height} pixels after larger ones it raises {type(error).__name__}: {error}"
        raise PromiseBroken(
            fault, "take each picture's size from frame.image.shape; return None where it is too small"
        ) from error
    return f"it takes pictures from {SIZES[1][0]}x{SIZES[1][1]} pixels on, also when the size changes"


def _resized(picture: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    rows = np.arange(height) * picture.shape[0] // height
    columns = np.arange(width) * picture.shape[1] // width
    return np.ascontiguousarray(picture[rows][:, columns])


def same_again(subject: Subject) -> str:
    """The same frames give the same results, or nobody can repeat what was found."""
    first, second = subject.run(subject.frames), subject.run(subject.frames)
    if difference := difference_of(second, first):
        raise PromiseBroken(
            f"over the same frames again {difference}", "set the seed of random numbers in prepare, if it uses any"
        )
    return "the same frames give the same results"


def stateless(subject: Subject) -> str | None:
    """``stateless=True`` says that each frame's result depends on that frame alone."""
    if not subject.stateless:
        return None
    whole = subject.run(subject.frames).results
    for number in (len(whole) - 1 - number for number in range(min(ALONE, len(whole)))):
        alone = subject.run([subject.frames[number]]).results
        if not alike(alone[0], whole[number]):
            raise PromiseBroken(
                f"with frame {number} alone it gives another result than after earlier ones: {short(alone[0])}, "
                f"not {short(whole[number])}",
                "keep nothing between two frames, or take stateless=True out of the metadata",
                grave=True,
            )
    return "a frame alone gives the same result as after others"


def goes_on(subject: Subject) -> str | None:
    """After a crash, a restart or a move, a plugin with a state goes on as if nothing had happened."""
    if subject.stateless:
        return None
    if not remembers(subject.plugin):
        raise PromiseBroken(
            "after a crash or a restart of the server it begins anew, as it neither is stateless nor saves its state",
            "say stateless=True in PluginMetadata or @tool(…) if no frame depends on another, else define save_state "
            "and load_state",
        )
    whole = subject.run(subject.frames)
    again = subject.run(subject.frames, restart_after=len(subject.frames) // 2)
    if difference := difference_of(again, whole):
        raise PromiseBroken(
            f"after a restart with its saved state {difference}",
            "put all that it keeps between frames into save_state",
            grave=True,
        )
    return "after a restart it goes on as if nothing had happened"


def batches(subject: Subject) -> str | None:
    """``process_batch`` gives each frame the result that ``process_frame`` gives it."""
    most = subject.plugin.metadata.max_batch
    if most == 1:
        return None
    together, single = subject.run(subject.frames, batch=most), subject.run(subject.frames)
    if difference := difference_of(together, single):
        raise PromiseBroken(f"in a batch {difference}", "let process_batch do the same as process_frame", grave=True)
    return f"batches of up to {min(most, len(subject.frames))} give the same results as single frames"


def joins(subject: Subject) -> str | None:
    """A stateless plugin with ``finalize`` may work on a file in segments, if it has ``merge``."""
    if not subject.stateless or subject.plugin.finalize is Plugin.finalize:
        return None
    if subject.plugin.merge is Plugin.merge:
        raise PromiseBroken(
            "files cannot be cut into segments for it, as it has finalize without merge",
            "define merge(self, results), which makes one result of those of several finalize",
        )
    half = len(subject.frames) // 2
    parts = [subject.run(frames).final for frames in (subject.frames[:half], subject.frames[half:])]
    told = [part for part in parts if part is not None]
    merged = subject.plugin().merge(told) if told else None
    if merged is not None and not isinstance(merged, Mapping):
        raise PromiseBroken(f"merge returned {type(merged).__name__}", "return one dict, as finalize does")
    return "merge joins the sums of several instances"


def resources(subject: Subject) -> str:
    """How long it prepares, how much memory it takes, and whether that grows."""
    began, before = time.monotonic(), resident_bytes(os.getpid())
    prepared: list[float] = []
    held: list[int] = []

    def frames() -> Iterator[Frame]:
        prepared.append(time.monotonic())
        for frame in itertools.islice(itertools.cycle(subject.frames), GROWTH_FRAMES):
            if time.monotonic() > prepared[0] + GROWTH_S:
                break
            yield attrs.evolve(frame, image=frame.image.copy())
            held.append(resident_bytes(os.getpid()))

    subject.run(frames())
    if (grown := growth(held)) > GROWTH_BYTES:
        raise PromiseBroken(
            f"it holds about {grown / 1000:,.0f} kB more memory after each frame",
            "keep less between frames: a frame that is kept is a whole picture",
        )
    _leave_nothing()
    most = max((*held, before)) - before
    return f"prepare takes {prepared[0] - began:.2f} s; it needs {most / MB:,.0f} MB beside what all workers share"


def growth(held: Sequence[int]) -> float:
    """The bytes by which the memory grows with a frame, of what was held after each; 0 if they are too few to tell.

    Libraries take memory in a few large steps, and return it and take it again in turn: so the median step counts, and
    no more than the least that is held has grown.
    """
    half = held[len(held) // 2 :]
    if len(half) < FEWEST_HELD:
        return 0.0
    earlier, later = half[: len(half) // 2], half[len(half) // 2 :]
    steps = [after - before for before, after in itertools.pairwise(half)]
    return min(statistics.median(steps), (min(later) - min(earlier)) / len(earlier))


def _leave_nothing() -> None:
    left = [pid for pid in children(os.getpid()) if (status := status_of(pid)) is not None and status.running]
    if left:
        raise PromiseBroken(
            f"after finalize {len(left)} of the processes that it started are still there",
            "end them in finalize; else Kinora kills them",
        )


QUESTIONS: Mapping[str, Callable[[Subject], str | None]] = {
    "no frame": no_frame,
    "other sizes": other_sizes,
    "same again": same_again,
    "stateless": stateless,
    "restart": goes_on,
    "batches": batches,
    "segments": joins,
    "resources": resources,
}
"""Name → question, in the order in which they are put."""
