"""The inspector of a job's plugins: metadata, timings, and the checks against latency budgets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinora.actors.errors import NotFound
from kinora.actors.stages.inspector import RECENT, InspectorService, PluginInspector, Timings
from kinora.plugins.api import PluginMetadata

MOTION = PluginMetadata(name="motion", latency_budget_ms=20)
FACES = PluginMetadata(name="faces")
PLUGINS = {"motion": MOTION, "faces": FACES}


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The inspector's time."""
    return Clock()


@pytest.fixture
def inspector(clock: Clock) -> PluginInspector:
    """Of a job with motion and faces."""
    return PluginInspector("job-1", PLUGINS, clock)


def test_it_tells_what_a_plugin_is(inspector: PluginInspector) -> None:
    """The metadata of each plugin is at hand by name."""
    assert inspector.inspect("motion") is MOTION


def test_wall_time_is_measured(inspector: PluginInspector, clock: Clock) -> None:
    """Without another figure, the time between start and stop counts, in milliseconds."""
    inspector.start_timing("motion")
    clock.now += 0.015
    assert inspector.stop_timing("motion") == pytest.approx(15)
    assert inspector.collect_timings() == {"motion": 15.0, "faces": 0.0}


def test_the_figure_of_the_worker_wins(inspector: PluginInspector, clock: Clock) -> None:
    """Given the worker's own figure, wall time does not matter, and no start is needed."""
    inspector.start_timing("motion")
    clock.now += 9
    assert inspector.stop_timing("motion", 3.21) == 3.21
    assert inspector.stop_timing("motion", 1.0) == 1.0
    assert inspector.collect_timings()["motion"] == 4.2


def test_a_stop_without_a_start_is_a_mistake(inspector: PluginInspector) -> None:
    """Each start is good for one stop only."""
    inspector.start_timing("motion")
    inspector.stop_timing("motion")
    with pytest.raises(RuntimeError, match="start_timing"):
        inspector.stop_timing("motion")


def test_plugins_overlap(inspector: PluginInspector, clock: Clock) -> None:
    """Stages run at the same time, and each has its own time."""
    inspector.start_timing("motion")
    clock.now += 0.010
    inspector.start_timing("faces")
    clock.now += 0.005
    inspector.stop_timing("motion")
    inspector.stop_timing("faces")
    assert inspector.collect_timings() == {"motion": 15.0, "faces": 5.0}


def test_preparing_counts_in_the_total_only(inspector: PluginInspector) -> None:
    """Loading a model takes seconds, and says nothing of how long a frame takes."""
    inspector.stop_timing("motion", 5000, frame=False)
    assert inspector.run_ms("motion") is None
    inspector.stop_timing("motion", 10)
    summary = inspector.run_ms("motion")
    assert summary is not None
    assert summary.max == 10
    assert inspector.collect_timings()["motion"] == 5010


def test_waiting_is_apart_from_running(inspector: PluginInspector) -> None:
    """Time in the queue has its own summary and is in no total."""
    inspector.add_queue("motion", 7)
    summary = inspector.queue_ms("motion")
    assert summary is not None
    assert summary.last == 7
    assert inspector.run_ms("motion") is None
    assert inspector.collect_timings()["motion"] == 0


def test_a_plugin_over_its_budget_is_told_of_once(inspector: PluginInspector) -> None:
    """The first frame over the budget degrades the plugin; frames at the budget do not, later ones are not reported."""
    assert not inspector.over_budget("motion", 20)
    assert inspector.health("motion") == "ok"
    assert inspector.over_budget("motion", 20.1)
    assert not inspector.over_budget("motion", 99)
    assert inspector.health("motion") == "degraded"


def test_without_a_budget_nothing_is_too_slow(inspector: PluginInspector) -> None:
    """A plugin that names no budget is never degraded."""
    assert not inspector.over_budget("faces", 1e9)
    assert inspector.health("faces") == "ok"


def test_a_foreign_plugin_is_not_found(inspector: PluginInspector) -> None:
    """Asking for a plugin that the job does not have names those it has."""
    with pytest.raises(NotFound, match="motion, faces"):
        inspector.inspect("people")


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50))
def test_a_summary_is_within_what_it_sums_up(values: list[float]) -> None:
    """Percentiles are values that occurred, in order, and mean and maximum are right."""
    timings = Timings()
    for value in values:
        timings.add(value)
    summary = timings.summary()
    assert summary is not None
    rounded = {round(value, 1) for value in values}
    assert {summary.p50, summary.p95, summary.max, summary.last} <= rounded
    assert summary.p50 <= summary.p95 <= summary.max == max(rounded)
    assert summary.mean == pytest.approx(sum(values) / len(values), abs=0.051)
    assert summary.last == round(values[-1], 1)


def test_percentiles_are_of_the_recent_past() -> None:
    """A slow beginning is out of the percentiles after a thousand frames, but stays in the maximum."""
    timings = Timings()
    for value in [500.0] * 10 + [float(number % 100) for number in range(RECENT)]:
        timings.add(value)
    summary = timings.summary()
    assert summary is not None
    assert (summary.p50, summary.p95, summary.max) == (49, 94, 500)


def test_the_service_gives_each_job_its_inspector() -> None:
    """Two jobs do not share their timings."""
    service = InspectorService()
    first, second = [service.open_job(name, PLUGINS) for name in ("job-1", "job-2")]
    first.stop_timing("motion", 5)
    assert second.collect_timings() == {"motion": 0, "faces": 0}
    assert service.fault is None


def test_a_job_whose_inspector_cannot_be_made_goes_on_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given one that measures nothing, the reason is kept, and the next job may have one again."""
    service = InspectorService()
    with monkeypatch.context() as broken:
        broken.setattr(PluginInspector, "__init__", _fail)
        inspector = service.open_job("job-1", PLUGINS)
    inspector.start_timing("motion")
    inspector.add_queue("motion", 1.0)
    assert inspector.stop_timing("motion", 5) == 0
    assert inspector.over_budget("motion", 1e9) is False
    assert (inspector.collect_timings(), inspector.run_ms("motion"), inspector.queue_ms("motion")) == (None, None, None)
    assert service.fault == "RuntimeError: fault injected"
    assert service.open_job("job-2", PLUGINS).collect_timings() == {"motion": 0, "faces": 0}
    assert service.fault is None


def _fail(*_: object) -> None:
    raise RuntimeError("fault injected")
