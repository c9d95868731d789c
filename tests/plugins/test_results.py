"""From a plugin's result to JSON text, or to a sentence that says what is wrong."""

import enum
import json
import math
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as stnp

from kinora.plugins.results import MAX_ARRAY_ELEMENTS, MAX_DEPTH, MAX_RESULT_BYTES, BadResult, encode_result


class Kind(str, enum.Enum):  # noqa: UP042 - what older code has, and differs from StrEnum in its str()
    """An enum of text."""

    CAR = "car"


class Level(enum.IntEnum):
    """An enum of numbers."""

    HIGH = 3


class Loud(float):
    """A number that overrides its conversions."""

    def __float__(self) -> float:
        raise RuntimeError("no")


class Coy(str):
    """Text that overrides its conversions."""

    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError("no")

    def __format__(self, spec: str) -> str:
        raise RuntimeError("no")


class Lazy(Mapping[str, int]):
    """A mapping that is not a dict."""

    def __getitem__(self, key: str) -> int:
        return len(key)

    def __iter__(self) -> Iterator[str]:
        return iter(["a", "bc"])

    def __len__(self) -> int:
        return 2


def told(value: object) -> Any:
    """The value that a reader of the JSON text gets."""
    encoded = encode_result(value)
    assert encoded is not None
    return json.loads(encoded.data)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, {}),
        ({"a": None, "b": True, "c": 1, "d": 0.5, "e": "é\n\0", "": []}, None),
        ({"deep": [{"x": (1, (2, [3]))}]}, {"deep": [{"x": [1, [2, [3]]]}]}),
        ({"n": 2**64 - 1, "m": -(2**63)}, None),
        ({"k": Kind.CAR, Kind.CAR: Level.HIGH}, {"k": "car", "car": 3}),
        ({"loud": Loud(1.5), Coy("coy"): Coy("text")}, {"loud": 1.5, "coy": "text"}),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (MappingProxyType({"a": Lazy()}), {"a": {"a": 1, "bc": 2}}),
        ({"f": np.float32(0.5), "d": np.float64(1.5), "i": np.int8(-3), "u": np.uint64(2**64 - 1)}, None),
        ({"h": np.float16(0.25), "l": np.longdouble(2.5), "b": np.bool_(True), "s": np.str_("text")}, None),
        (
            {"a": np.arange(6).reshape(2, 3), "e": np.zeros((0, 4)), "z": np.array(7)},
            {"a": [[0, 1, 2], [3, 4, 5]], "e": [], "z": 7},
        ),
        ({"l": np.ones(2, np.longdouble), "h": np.ones(1, np.float16)}, {"l": [1.0, 1.0], "h": [1.0]}),
        ({"m": np.ma.masked_array([1.5, 2.5], [True, False])}, {"m": [None, 2.5]}),
        ({"v": np.zeros((100, 100), np.uint8)[:, ::2]}, {"v": [[0] * 50] * 100}),
    ],
)
def test_what_json_has_a_word_for_is_told(value: Mapping[str, Any], expected: object) -> None:
    """Plain values, enums, numpy numbers and arrays arrive with their values, in their order."""
    found = told(value)
    assert found == (expected if expected is not None else value)
    assert list(found) == [str.__str__(key) for key in value]


def test_nothing_to_say_is_nothing() -> None:
    """None has no text; an empty dict has."""
    assert encode_result(None) is None
    assert told({}) == {}


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"a": math.nan}, "a"),
        ({"a": [1.0, {"b": -math.inf}], "c": math.nan}, "a[1].b"),
        ({"a": np.array([[0.0, np.inf]])}, "a[0][1]"),
        ({"a": np.float32("nan")}, "a"),
        ({"": math.inf, "b": math.nan}, ""),
        ({"a": 1e308}, None),
    ],
)
def test_a_number_that_is_none_becomes_null_and_is_named(value: Mapping[str, Any], where: str | None) -> None:
    """NaN and infinity are null in the text; the path of the first one is reported."""
    encoded = encode_result(value)
    assert encoded is not None
    assert encoded.nulled == where
    text = encoded.data.decode()
    assert ("null" in text) == (where is not None)
    assert "NaN" not in text


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([1, 2], "must be a dict or None, not list"),
        ("text", "must be a dict or None, not str"),
        (np.zeros(3), "must be a dict or None, not ndarray"),
        ({"a": {1, 2}}, "a has type set"),
        ({"a": [b"x"]}, r"a\[0\] has type bytes"),
        ({"a": {"b": object()}}, r"a\.b has type object"),
        ({"a": deque([1])}, "a has type deque"),
        ({"a": 1 + 2j}, "a has type complex"),
        ({1: "a"}, "the result has a key of type int"),
        ({"a": {None: 1}}, "a has a key of type NoneType"),
        ({"a": 2**64}, "a is an integer of more than 64 bits"),
        ({"a": np.zeros(MAX_ARRAY_ELEMENTS + 1)}, "at most 10000"),
        ({"a": np.zeros(2, complex)}, "a is an array of complex128"),
        ({"a": np.array([object()])}, "a is an array of object"),
        ({"a": np.datetime64("2020-01-01")}, "a is an array of datetime64"),
        ({"a": np.zeros(1, [("x", "i4")])}, "a is an array of"),
        ({"a": "\ud800"}, "a holds text that is not valid Unicode"),
        ({"\udfff": 1}, "the result holds text that is not valid Unicode"),
        ({"a": "x" * MAX_RESULT_BYTES}, "at most 4194304 are allowed"),
    ],
)
def test_a_value_that_json_cannot_express_is_refused_by_name(value: object, words: str) -> None:
    """The sentence says what it is and where."""
    with pytest.raises(BadResult, match=words):
        encode_result(value)


def test_a_result_that_holds_itself_is_refused() -> None:
    """Neither a loop nor great depth ends in a RecursionError."""
    loop: dict[str, Any] = {}
    loop["again"] = [loop]
    with pytest.raises(BadResult, match="too deeply"):
        encode_result(loop)
    nest: dict[str, Any] = {}
    for _ in range(MAX_DEPTH):
        nest = {"a": nest}
    told(nest)
    with pytest.raises(BadResult, match="too deeply"):
        encode_result({"a": nest})


def test_an_array_of_the_full_size_is_told() -> None:
    """The limit on elements is inclusive."""
    assert told({"a": np.zeros(MAX_ARRAY_ELEMENTS, np.uint8)}) == {"a": [0] * MAX_ARRAY_ELEMENTS}


numbers = st.integers() | st.floats() | st.complex_numbers() | st.booleans()
arrays = stnp.arrays(dtype=stnp.scalar_dtypes(), shape=stnp.array_shapes(min_dims=0, min_side=0, max_side=3))
leaves = (
    st.none()
    | numbers
    | st.text(st.characters())
    | st.binary()
    | arrays
    | stnp.scalar_dtypes().flatmap(stnp.from_dtype)
    | st.dates()
    | st.just(object())
)
anything = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(st.characters()) | st.integers(), inner)
        | st.frozensets(st.integers())
    ),
    max_leaves=20,
)


@given(anything | st.dictionaries(st.text(), anything))
def test_anything_is_json_or_a_bad_result(value: object) -> None:
    """Every result becomes valid JSON without NaN, or raises BadResult; never another exception."""
    try:
        encoded = encode_result(value)
    except BadResult:
        return
    if encoded is None:
        assert value is None
        return

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    assert isinstance(json.loads(encoded.data, parse_constant=refuse), dict)


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), plain))
def test_plain_values_come_back_as_they_were(value: dict[str, Any]) -> None:
    """Encoding changes no value that JSON can express."""
    assert told(value) == value
