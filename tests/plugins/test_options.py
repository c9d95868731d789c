"""Options against a plugin's schema: those accepted, those filled in, and the errors for the rest."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinora.plugins.api import PluginMetadata
from kinora.plugins.builtin.zones import Zones
from kinora.plugins.option_errors import MAX_ERRORS, MAX_PATH, OptionsError, dotted
from kinora.plugins.options import MAX_COUNTED, check_options, schema_fault

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "min_size": {"type": "integer", "minimum": 1, "maximum": 500, "default": 40},
        "mode": {"enum": ["fast", "exact"], "default": "fast"},
        "region": {
            "type": "object",
            "properties": {"x": {"type": "number", "default": 0}, "y": {"type": ["number", "null"]}},
            "additionalProperties": False,
        },
        "labels": {"type": "array", "items": {"type": "string"}, "default": []},
    },
}


def plugin(schema: Any) -> PluginMetadata:
    """A plugin with this schema."""
    return PluginMetadata(name="faces", config_schema=schema)


def errors_of(schema: Any, options: dict[str, Any]) -> dict[str, str]:
    """Path → message."""
    with pytest.raises(OptionsError) as caught:
        check_options(plugin(schema), options)
    return dict(caught.value.errors)


def test_defaults_are_filled_in() -> None:
    """Given options stay, missing ones get their defaults, in nested objects too."""
    assert check_options(plugin(SCHEMA), {"mode": "exact", "region": {"y": 3}}) == {
        "min_size": 40,
        "mode": "exact",
        "region": {"x": 0, "y": 3},
        "labels": [],
    }


def test_nothing_is_shared_with_what_was_given() -> None:
    """Neither the caller's options nor the schema's defaults change when the answer is changed."""
    given_options = {"region": {"y": 1}}
    filled = check_options(plugin(SCHEMA), given_options)
    filled["labels"].append("x")
    filled["region"]["x"] = 99
    assert given_options == {"region": {"y": 1}}
    assert check_options(plugin(SCHEMA), {})["labels"] == []


def test_without_a_schema_anything_is_taken() -> None:
    """A plugin that describes no options gets the options as given."""
    assert check_options(plugin(None), {"a": [1]}) == {"a": [1]}


def test_every_wrong_option_is_told_with_its_place() -> None:
    """All errors come at once, in words that need no JSON Schema."""
    assert errors_of(
        SCHEMA, {"min_size": 0, "mode": "slow", "region": {"x": "1", "y": "2"}, "labels": ["a", 2], "size": 1}
    ) == {
        "labels[1]": "must be text",
        "min_size": "must be 1 or more",
        "mode": 'must be one of "fast", "exact"',
        "region.x": "must be a number",
        "region.y": "must be a number or null",
        "size": "is unknown; known here are: labels, min_size, mode, region",
    }


def test_true_is_no_number() -> None:
    """Types are strict."""
    assert errors_of(SCHEMA, {"min_size": True}) == {"min_size": "must be a whole number"}


def test_a_pattern_is_told_in_words() -> None:
    """What a built-in plugin asks for; of another plugin's, that it is a regular expression, and what for."""
    zone = {"name": "a:b", "polygon": [[0, 0], [1, 0], [1, 1]]}
    assert errors_of(Zones.metadata.config_schema, {"zones": [zone]}) == {"zones[0].name": "must not contain a colon"}
    code = {"type": "string", "pattern": "^[A-Z]+$", "description": "The code of a gate."}
    schema = {
        "properties": {
            "code": code,
            "by": {"propertyNames": {"pattern": "^[A-Z]+$"}},
            "propertyNames": {"type": "string"},
        },
        "patternProperties": {"^x_": {"type": "integer"}},
        "additionalProperties": False,
    }
    assert errors_of(schema, {"code": "a", "by": {"a": 1}, "propertyNames": 1, "x_a": 1, "y": 1}) == {
        "code": "must match the regular expression ^[A-Z]+$: The code of a gate.",
        "by.a": "its name must match the regular expression ^[A-Z]+$",
        "propertyNames": "must be text",
        "y": "is unknown; known here are: by, code, propertyNames, and names that match the regular expression ^x_",
    }


def test_unknown_keys_within_objects_are_told_too() -> None:
    """If the schema forbids them, the error lists the known ones."""
    assert errors_of(SCHEMA, {"region": {"z": 1}}) == {"region.z": "is unknown; known here are: x, y"}


def test_unknown_keys_are_taken_where_the_schema_says_so() -> None:
    """A plugin may leave its options open."""
    schema = {"type": "object", "additionalProperties": {"type": "integer"}}
    assert check_options(plugin(schema), {"anything": 1}) == {"anything": 1}
    assert errors_of(schema, {"anything": "x"}) == {"anything": "must be a whole number"}


def test_options_of_combined_schemas_are_known() -> None:
    """Properties that come by allOf are known keys."""
    schema = {
        "allOf": [{"$ref": "#/$defs/base"}, {"properties": {"b": {"type": "integer"}}}],
        "$defs": {"base": {"properties": {"a": {}}}},
    }
    assert check_options(plugin(schema), {"a": 1, "b": 2}) == {"a": 1, "b": 2}
    assert "c" in errors_of(schema, {"c": 3})


def test_missing_options_are_told() -> None:
    """Each required option without a default is named, with its description in the schema."""
    properties = {"model": {"description": "The model's file."}, "size": {}}
    schema = {"properties": properties, "required": ["model", "size"]}
    assert errors_of(schema, {}) == {"model": "must be given: The model's file.", "size": "must be given"}
    assert errors_of(schema, {"model": "a"}) == {"size": "must be given"}


def test_an_empty_schema_knows_no_option() -> None:
    """A schema without properties accepts no options."""
    assert errors_of({}, {"a": 1}) == {"a": "is unknown; known here are: none"}


ZONES = {
    "properties": {"zones": {"type": "array", "items": {"properties": {"name": {}}, "additionalProperties": False}}}
}


def test_places_that_must_differ_may_not_repeat_each_other() -> None:
    """Each value that was there before is told with both places; what is not there repeats nothing."""
    schema = {"additionalProperties": True, "distinct": ["zones[].name", "main.name", "tags[]"]}
    assert check_options(plugin(schema), {"zones": [{"name": "a"}, {"name": "b"}, {}], "main": 3}) is not None
    options = {"zones": [{"name": "a"}, {"name": "a"}], "main": {"name": "b"}, "tags": ["b", 1, "1", "a"]}
    assert errors_of(schema, options) == {
        "zones[1].name": "must differ from zones[0].name, which is the same",
        "tags[0]": "must differ from main.name, which is the same",
        "tags[3]": "must differ from zones[0].name, which is the same",
    }


def test_long_values_are_not_repeated() -> None:
    """A megabyte in the options makes no megabyte in the answer."""
    (message,) = errors_of({"properties": {"a": {"maxLength": 3}}}, {"a": "x" * 1_000_000}).values()
    assert len(message) <= 200


def test_a_long_list_is_quoted_in_part_or_counted() -> None:
    """The message keeps its reason, which stands behind the value."""
    schema = {"properties": {"a": {"uniqueItems": True}}}
    (message,) = errors_of(schema, {"a": [*range(1_000), 0]}).values()
    assert message.startswith("[0, 1, 2, ")
    assert message.endswith("… has non-unique elements")
    bounds = {"least": {"minItems": 3}, "most": {"maxItems": 3}}
    assert errors_of({"properties": bounds}, {"least": [[1, 2], [3, 4]], "most": list(range(1_000))}) == {
        "least": "must be a list of 3 or more, not of 2",
        "most": "must be a list of 3 or fewer, not of 1000",
    }


def test_errors_are_bounded_and_counted() -> None:
    """Fifty are listed. Unknown keys are all counted, and wrong items until there are too many."""
    for schema, options, total in (
        (SCHEMA, {f"k{number}": 0 for number in range(5_000)}, 5_000),
        (SCHEMA, {"labels": [0] * 300}, 300),
        (SCHEMA, {"labels": [0] * 5_000}, MAX_COUNTED),
    ):
        with pytest.raises(OptionsError) as caught:
            check_options(plugin(schema), options)
        assert (len(caught.value.errors), caught.value.total) == (MAX_ERRORS, total)


def test_long_places_are_cut() -> None:
    """A key of any length makes no path of that length."""
    assert dotted(["a" * 100_000, 1]) == "a" * MAX_PATH
    assert len(dotted(["\ud800" * 100_000] * 30)) == MAX_PATH


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "https://127.0.0.1:1/schema.json"},
        {"$ref": "#/$defs/missing"},
        {"$ref": "#"},
        {"properties": {"a": {"pattern": "("}}},
        {"properties": 7},
        {"type": "strange"},
    ],
)
def test_a_schema_that_cannot_be_applied_is_the_plugins_fault(schema: dict[str, Any]) -> None:
    """Broken schemas refuse the options with a sentence that names the plugin; no reference is fetched."""
    assert "config_schema of faces" in errors_of(schema, {"a": "x"})[""]


def test_a_sound_schema_has_no_fault() -> None:
    """True also of one with references into itself."""
    assert schema_fault(SCHEMA) is None
    assert schema_fault({"$ref": "#/$defs/a", "$defs": {"a": {}}}) is None


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (None, "must be a JSON Schema"),
        ([], "must be a JSON Schema"),
        ({"type": "strange"}, "config_schema.type"),
        ({"properties": {"a": {"minimum": "x"}}}, "config_schema.properties.a.minimum"),
        ({"distinct": ["zones[0].name"]}, "config_schema.distinct"),
        ({"distinct": "zones"}, "config_schema.distinct"),
        ({"distinct": ["zoness[].name"], **ZONES}, "There is no property 'zoness'; there are: zones; the nearest one"),
        ({"distinct": ["zones[].nam"], **ZONES}, "config_schema.distinct: zones[].nam leads nowhere"),
        ({"distinct": ["zones.name"], **ZONES}, "The type of zones is array, not object"),
    ],
)
def test_a_faulty_schema_is_explained(schema: object, words: str) -> None:
    """The place in the schema is named."""
    fault = schema_fault(schema)
    assert fault is not None
    assert words in fault


def test_places_are_written_as_people_write_them() -> None:
    """Dots for names, brackets for numbers and odd keys, and nothing that cannot be printed."""
    assert dotted(["plugins", 1, "options", "min_size"]) == "plugins[1].options.min_size"
    assert dotted(["a b", "\ud800", ""]) == '["a b"]["\\ud800"][""]'
    assert dotted([]) == ""
    assert str(OptionsError([("a", "is wrong"), ("", "all is")])) == "a: is wrong; options: all is"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(options=st.dictionaries(st.sampled_from(["min_size", "mode", "region", "labels", "odd"]), JSON))
def test_any_options_are_taken_or_refused(options: dict[str, Any]) -> None:
    """No JSON raises another exception than OptionsError, and accepted options are accepted again unchanged."""
    try:
        filled = check_options(plugin(SCHEMA), options)
    except OptionsError:
        return
    assert check_options(plugin(SCHEMA), filled) == filled
