"""The requests that POST /v1/jobs accepts, and its errors for all others."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinora.actors.errors import InvalidRequest
from kinora.actors.pipeline.job_spec import asked_again
from kinora.actors.requests.job_request import JobOptions, JobRequest, PluginRequest, parse_job_request

GOOD: dict[str, Any] = {"source": "clip.mp4", "plugins": ["motion"]}


def errors_of(data: object, upload: str | None = None) -> dict[str, str]:
    """Path → message of what is wrong."""
    with pytest.raises(InvalidRequest) as caught:
        parse_job_request(data, upload=upload)
    return {error.path: error.message for error in caught.value.errors}


def test_a_full_request_is_taken_as_it_stands() -> None:
    """Every field of the documented request arrives, plugins as names or as objects."""
    request = parse_job_request(
        {
            "source": "clip.mp4",
            "plugins": ["motion", {"name": "faces", "options": {"min_size": 40}, "every": 5, "side": True}],
            "device_requested": "cuda:1",
            "options": {"max_frames": None, "stride": 3, "policy": "wait", "max_outage_s": 90, "plugin_timeout_ms": 10}
            | {"cpus": 4, "gpus": 0.5, "resources": {"licence": 1}},
        }
    )
    assert request == JobRequest(
        source="clip.mp4",
        plugins=(
            PluginRequest(name="motion"),
            PluginRequest(name="faces", options={"min_size": 40}, every=5, side=True),
        ),
        device_requested="cuda:1",
        options=JobOptions(
            stride=3,
            policy="wait",
            max_outage_s=90.0,
            plugin_timeout_ms=10,
            cpus=4.0,
            gpus=0.5,
            resources={"licence": 1.0},
        ),
    )


@pytest.mark.parametrize(
    ("entry", "place"),
    [({"every": 0}, "every"), ({"every": 2.0}, "every"), ({"every": True}, "every"), ({"side": 1}, "side")],
)
def test_a_plugins_turns_are_checked(entry: dict[str, Any], place: str) -> None:
    """The error has the place of the value."""
    assert set(errors_of({"source": "clip.mp4", "plugins": ["motion", {"name": "faces", **entry}]})) == {
        f"plugins[1].{place}"
    }


def test_what_is_asked_again_is_as_a_client_would_write_it() -> None:
    """What a plugin's entry has beside its options stands there only where it is asked for."""
    plugins = [{"name": "motion", "options": {}}, {"name": "faces", "options": {"min_size": 40}, "every": 5}]
    request = parse_job_request({"source": "clip.mp4", "plugins": plugins})
    again = asked_again(request, uploaded=False)
    assert again["plugins"] == plugins
    assert parse_job_request(again) == request


def test_what_is_left_out_has_its_default() -> None:
    """Source and plugins are enough."""
    assert parse_job_request(GOOD) == JobRequest(source="clip.mp4", plugins=(PluginRequest(name="motion"),))


def test_an_upload_becomes_the_source() -> None:
    """With an upload the source is its name, and giving a source as well is refused."""
    assert parse_job_request({"plugins": ["motion"]}, upload="a.mp4").source == "a.mp4"
    assert errors_of(GOOD, upload="a.mp4") == {"source": "leave it out: the uploaded file is the source"}


def test_everything_that_is_wrong_is_said_at_once() -> None:
    """Errors of different depths come together, each with its path."""
    errors = errors_of(
        {
            "plugins": ["motion", {"nam": "faces"}, {"name": "people", "options": []}, 7],
            "device_requested": "tpu",
            "options": {"stride": 0, "strid": 1},
            "colour": "red",
        }
    )
    assert set(errors) == {
        "source",
        "plugins[1].name",
        "plugins[1].nam",
        "plugins[2].options",
        "plugins[3]",
        "device_requested",
        "options.stride",
        "options.strid",
        "colour",
    }
    assert errors["source"] == "is missing"
    assert errors["plugins[1].nam"] == "is unknown; known here are: name, options, replicas, every, side"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("stride", True),
        ("stride", 1.0),
        ("stride", "1"),
        ("stride", None),
        ("stride", 0),
        ("stride", 1_000_001),
        ("max_frames", False),
        ("max_frames", 0),
        ("max_outage_s", -1),
        ("max_outage_s", True),
        ("max_outage_s", "60"),
        ("max_outage_s", 31_536_001),
        ("plugin_timeout_ms", 0),
        ("plugin_timeout_ms", 3_600_001),
        ("prepare_timeout_ms", -1),
        ("cpus", -1),
        ("cpus", "2"),
        ("gpus", 1_001),
        ("gpus", True),
        ("resources", ["licence"]),
        ("resources", {"licence": "1"}),
        ("resources", {"licence": -1}),
        ("resources", {"": 1}),
        ("resources", {"x" * 101: 1}),
        ("resources", {str(number): 1 for number in range(17)}),
        ("policy", "newest"),
        ("policy", ["wait"]),
    ],
)
def test_nothing_is_converted(field: str, value: object) -> None:
    """A value of another type, or out of its range, is refused rather than made to fit."""
    assert set(errors_of({**GOOD, "options": {field: value}})) == {f"options.{field}"}


@pytest.mark.parametrize("value", ["", "  ", 7, None, [], "x" * 5000])
def test_a_source_is_text(value: object) -> None:
    """A source that is not text, empty or too long is refused."""
    assert set(errors_of({**GOOD, "source": value})) == {"source"}


@pytest.mark.parametrize("value", ["motion", {}, None, [], ["motion"] * 33])
def test_plugins_are_a_list_of_some_but_not_too_many(value: object) -> None:
    """A job without plugins, or with plugins that are not a list, is refused with an example."""
    assert errors_of({**GOOD, "plugins": value}) == {"plugins": 'must be a list of 1 to 32 plugins, such as ["motion"]'}


def test_a_plugin_stands_in_the_list_once() -> None:
    """Each repeated plugin is pointed at, however it is written."""
    errors = errors_of({**GOOD, "plugins": ["motion", "faces", {"name": "motion"}, "faces"]})
    assert set(errors) == {"plugins[2]", "plugins[3]"}


@pytest.mark.parametrize("value", ["cuda:", "cuda:100", "cuda:٣", "cuda:01", "GPU", "cpu ", 0])
def test_a_device_is_one_of_the_documented_names(value: object) -> None:
    """Names that only look like a device are refused."""
    assert set(errors_of({**GOOD, "device_requested": value})) == {"device_requested"}


@pytest.mark.parametrize("value", ["a\0b", "\ud800", 2**63, -(2**63) - 1, float("nan"), float("inf")])
def test_what_cannot_be_stored_is_refused_wherever_it_stands(value: object) -> None:
    """NUL, half surrogate pairs, numbers beyond 64 bits and NaN are found in the options of a plugin too."""
    plugin = {"name": "faces", "options": {"a": [0, {"b": value}]}}
    assert set(errors_of({**GOOD, "plugins": [plugin]})) == {"plugins[0].options.a[1].b"}


def test_odd_keys_are_named_in_plain_ascii() -> None:
    """A key that could not be printed or sent is escaped in the path that names it."""
    errors = errors_of({**GOOD, "\ud800 x": 1})
    assert set(errors) == {'["\\ud800 x"]'}


def test_deep_nesting_is_refused() -> None:
    """Nesting that would exhaust the interpreter's stack is an error like any other."""
    deep: Any = 0
    for _ in range(5_000):
        deep = [deep]
    (message,) = errors_of({**GOOD, "plugins": [{"name": "faces", "options": {"a": deep}}]}).values()
    assert "nested too deeply" in message


def test_errors_are_bounded() -> None:
    """Thousands of unknown keys give an answer of fifty errors."""
    assert len(errors_of({**GOOD, **{f"key{n}": n for n in range(5_000)}})) == 50


def test_errors_that_are_not_listed_are_counted() -> None:
    """The sentence says how many there were."""
    with pytest.raises(InvalidRequest, match="Only 50 of at least 5,000 errors are listed"):
        parse_job_request({**GOOD, **{f"key{n}": n for n in range(5_000)}})


def test_the_options_of_all_plugins_have_one_limit() -> None:
    """The plugin whose options exceed it is named with their size."""
    plugins = [{"name": name, "options": {"x": "x" * 40_000}} for name in ("motion", "faces")]
    assert errors_of({**GOOD, "plugins": plugins}) == {
        "plugins[1].options": "makes 80,016 bytes of options; 65,536 for all plugins are the limit"
    }


@pytest.mark.parametrize("data", [None, [], "motion", 3, True])
def test_a_request_is_an_object(data: object) -> None:
    """Anything but an object is answered with an example."""
    with pytest.raises(InvalidRequest, match="must be a JSON object"):
        parse_job_request(data)


def json_values() -> st.SearchStrategy[Any]:
    """Anything that Python's JSON decoder can give, lone surrogates and NaN among it."""
    text = st.text(st.characters())
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | text
    return st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(text, inner), max_leaves=20)


def near_misses() -> st.SearchStrategy[Any]:
    """Requests in which any field may be anything."""
    value = json_values()
    plugin = st.fixed_dictionaries({}, optional={"name": st.text() | value, "options": value})
    options = st.fixed_dictionaries(
        {},
        optional={
            "max_frames": st.integers() | value,
            "stride": st.integers() | value,
            "policy": st.sampled_from(["wait", "latest", None]) | value,
            "plugin_timeout_ms": value,
            "prepare_timeout_ms": value,
            "odd": value,
        },
    )
    return st.fixed_dictionaries(
        {},
        optional={
            "source": st.text() | value,
            "plugins": st.lists(st.text(max_size=3) | plugin | value) | value,
            "device_requested": st.sampled_from(["auto", "cpu", "gpu", "cuda:0"]) | value,
            "options": options | value,
            "odd": value,
        },
    )


@given(data=json_values() | near_misses(), upload=st.none() | st.text(st.characters(), max_size=5))
def test_any_json_gives_a_request_or_a_refusal(data: object, upload: str | None) -> None:
    """No JSON value makes anything but a JobRequest that can be stored or an InvalidRequest that can be sent."""
    try:
        request = parse_job_request(data, upload=upload)
    except InvalidRequest as refusal:
        json.loads(msgspec.json.encode([refusal.detail, refusal.errors, str(refusal)]))
    else:
        stored = msgspec.json.decode(msgspec.json.encode(request))
        assert parse_job_request(stored) == request
