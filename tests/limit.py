"""The absolute limit of a test: beyond it the whole run ends and says, on the real stderr, which test hung in what."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import suppress
from typing import NoReturn, TextIO

import pytest
import trio

TEST_LIMIT_S = 300
"""Far more than any takes on a machine that is busy with other things as well."""
REAL_STDERR = pytest.StashKey[TextIO]()


def pytest_configure(config: pytest.Config) -> None:
    """Keep hold of stderr: while tests run, pytest has a file in its place, and would never come to show it."""
    config.stash[REAL_STDERR] = os.fdopen(os.dup(sys.stderr.fileno()), "w", closefd=False)


@pytest.fixture(autouse=True)
def absolute_limit(request: pytest.FixtureRequest) -> Iterator[None]:
    """End the run if this test does not end in time."""
    stderr = request.config.stash[REAL_STDERR]

    def end(*_: object) -> NoReturn:
        print(f"\n\n{request.node.nodeid} takes longer than {TEST_LIMIT_S} s.\n", *_tasks(), sep="\n", file=stderr)
        stderr.flush()
        faulthandler.dump_traceback(stderr)
        os._exit(1)

    signal.signal(signal.SIGALRM, end)
    signal.alarm(TEST_LIMIT_S)
    yield
    signal.alarm(0)


def _tasks() -> Iterator[str]:
    """What each Trio task, if there are any, is waiting in; the threads' stacks do not show that."""
    with suppress(RuntimeError):  # Trio is not running
        tasks = [trio.lowlevel.current_root_task()]
        for task in filter(None, tasks):
            tasks += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
            frames = traceback.StackSummary.extract(task.iter_await_frames())
            yield f"Task {task.name}\n{''.join(frames.format())}"
