"""The suite fails if code of the server holds up the event loop for long."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from traceback import format_list

import pytest

from kinora.runtime import loop_watch
from kinora.runtime.loop_watch import Stall

SUITE_LIMIT_S = 1.0
"""Far more than any step of the server needs; on a busy machine a step can seem longer than it is."""
BLIND_LIMIT_S = 5.0
"""The limit where not even the watch's own thread got a turn: then the whole process mostly had no core."""
_TESTS = Path(__file__).parent
_SERVER = _TESTS.parent / "kinora"


@pytest.fixture(autouse=True)
def no_stalls(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail the test if a system or server that ran in it had a stall that is not the test's own."""
    stalls: list[Stall] = []
    log_stall = loop_watch.log_stall

    def keep(stall: Stall) -> None:
        stalls.append(stall)
        log_stall(stall)

    monkeypatch.setattr(loop_watch, "log_stall", keep)
    yield
    too_long = [stall for stall in stalls if stall.held_s > _limit_s(stall) and is_of_server(stall)]
    reports = [f"{stall.held_s:.1f} s by {stall.task}\n{''.join(format_list(list(stall.stack)))}" for stall in too_long]
    assert not reports, "\n".join(["The event loop was held up:", *reports])


def _limit_s(stall: Stall) -> float:
    return SUITE_LIMIT_S if stall.stack else BLIND_LIMIT_S


def is_of_server(stall: Stall) -> bool:
    """True if the server's code held up the loop, also if a test called it; the innermost frame of the two decides."""
    for frame in reversed(stall.stack):
        file = Path(frame.filename)
        if file.is_relative_to(_TESTS):
            return False
        if file.is_relative_to(_SERVER):
            return True
    return not stall.task.startswith("tests.")
