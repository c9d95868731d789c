"""Warnings are shown when they first occur; repeats are counted, and memory is bounded."""

from __future__ import annotations

from kinora.actors.messages import Code
from kinora.actors.stages.warnings import MAX_DISTINCT, OVERFLOW_MESSAGE, WarningLog, kept_by_pipeline


def _add(log: WarningLog, message: str, times: int = 1) -> list[int]:
    shown = [log.add("p", Code.PLUGIN_ERROR, message, "medium") for _ in range(times)]
    return [warning.count for warning in shown if warning is not None]


def test_repeats_are_shown_at_powers_of_ten() -> None:
    """Of 1,000 equal warnings four are shown, each with the count so far."""
    assert _add(WarningLog("j"), "boom", 1_000) == [1, 10, 100, 1_000]


def test_the_texts_say_how_often() -> None:
    """One line per different warning, in the order of their first occurrence."""
    log = WarningLog("j")
    _add(log, "boom", 3)
    _add(log, "bang")
    log.add(None, Code.DEVICE_FALLBACK, "no GPU", "medium")
    log.add(None, Code.SOURCE_TRUNCATED, "cut", "medium")
    assert log.texts() == ("p: boom (3 times)", "p: bang", "device: no GPU", "source: cut")
    assert (log.count("p"), log.total, log.distinct) == (4, 6, 4)


def test_the_groups_lead_to_where_each_first_occurred() -> None:
    """One group per different warning, with how often it came and the first frame that it was about."""
    log = WarningLog("j")
    for number in (3, 4):
        log.add("p", Code.PLUGIN_ERROR, "boom", "medium", f"frame-00000{number}")
    (group,) = log.groups()
    assert (group.plugin, group.code, group.severity, group.message) == ("p", "PLUGIN_ERROR", "medium", "boom")
    assert (group.count, group.frame_id) == (2, "frame-000003")


def test_a_plugin_that_warns_differently_each_time_is_bounded() -> None:
    """Beyond the limit its warnings are counted together, and other plugins are not affected."""
    log = WarningLog("j")
    for number in range(MAX_DISTINCT * 3):
        _add(log, f"frame {number}")
    assert log.distinct == MAX_DISTINCT + 1
    assert log.texts()[-1] == f"p: {OVERFLOW_MESSAGE} ({MAX_DISTINCT * 2} times)"
    assert log.count("p") == MAX_DISTINCT * 3
    assert log.add("q", Code.PLUGIN_ERROR, "mine", "low") is not None


def test_what_a_source_tells_once_in_a_job_is_known_to_the_pipelines_after_a_restart() -> None:
    """So that none of it stands twice among the job's warnings."""
    log = WarningLog("j")
    log.add(None, Code.FRAMES_DROPPED, "behind", "low")
    log.add(None, Code.SOURCE_GUESSED, "guessed", "low")
    log.add(None, Code.STORE_FAILING, "full", "high")
    assert [group.code for group in filter(kept_by_pipeline, log.groups())] == ["FRAMES_DROPPED", "SOURCE_GUESSED"]
