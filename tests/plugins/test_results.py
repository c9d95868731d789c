"""From a plugin's result to JSON text, or to a sentence that says what is wrong."""

import dataclasses
import datetime as dt
import enum
import json
import math
import uuid
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import attrs
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as stnp

from kinora.plugins.forms.results import MAX_ARRAY_ELEMENTS, MAX_DEPTH, MAX_RESULT_BYTES, BadResult, encode_result


class Kind(str, enum.Enum):  # noqa: UP042 - what older code has, and differs from StrEnum in its str()
    """An enum of text."""

    CAR = "car"


class Level(enum.IntEnum):
    """An enum of numbers."""

    HIGH = 3


class Plain(enum.Enum):
    """An enum that is neither text nor a number."""

    RED = "red"


class Flags(enum.Flag):
    """Flags."""

    A = 1
    B = 2


@dataclasses.dataclass(frozen=True)
class Box:
    """A dataclass."""

    x: int
    inner: Any


@attrs.frozen
class Attrs:
    """A class of attrs."""

    x: int


class Struct(msgspec.Struct):
    """A struct of msgspec."""

    x: int


class Model:
    """What pydantic's models have."""

    def model_dump(self) -> dict[str, int]:
        """The names and values."""
        return {"x": 1}


class Pair(NamedTuple):
    """A named tuple."""

    a: int
    b: str


class Tensor:
    """What tensors of all libraries have."""

    shape: tuple[int, ...] = (1, 2)

    def tolist(self) -> list[list[float]]:
        """The elements."""
        return [[1.0, 2.0]]


class Huge(Tensor):
    """A tensor that would fill the memory."""

    shape = (10**6, 10**6)


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
    ("value", "expected"),
    [
        (Counter([0, 0, 2]), {"0": 2, "2": 1}),
        ({np.int64(3): 1, True: 2, None: 3, 1.5: 4, Kind.CAR: 5, Plain.RED: 6, 4: 7}, None),
        ({dt.date(2026, 1, 2): 1, uuid.UUID(int=1): 2, Path("/x"): 3, np.str_("s"): 4}, None),
        (Box(1, [Box(2, None)]), {"x": 1, "inner": [{"x": 2, "inner": None}]}),
        (Attrs(1), {"x": 1}),
        (Struct(x=1), {"x": 1}),
        (Model(), {"x": 1}),
        (Pair(1, "b"), [1, "b"]),
        ([Plain.RED, Flags.A | Flags.B], ["red", 3]),
        ({"person", "car"}, ["car", "person"]),
        (frozenset({3, 1, 2}), [1, 2, 3]),
        (deque([1, {2}]), [1, [2]]),
        (range(3), [0, 1, 2]),
        ([{"a": 1}.keys(), {"a": 1}.values(), {"a": 1}.items()], [["a"], [1], [["a", 1]]]),
        (dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC), "2026-01-02T03:04:05+00:00"),
        ([dt.date(2026, 1, 2), dt.time(3, 4)], ["2026-01-02", "03:04:00"]),
        (dt.timedelta(minutes=1.5), 90.0),
        ([Decimal("1.10"), Decimal(7), Decimal("1e400"), Decimal("sNaN")], [1.1, 7, None, None]),
        ([Path("/x"), uuid.UUID(int=1)], ["/x", "00000000-0000-0000-0000-000000000001"]),
        (np.array(["a", "b"]), ["a", "b"]),
        (np.array([{"a": Plain.RED}, None]), [{"a": "red"}, None]),
        (np.datetime64("2020-01-01T00:00:01"), "2020-01-01T00:00:01"),
        (np.array(["2020-01-01", "NaT"], "M8[D]"), ["2020-01-01", None]),
        (np.timedelta64(1500, "ms"), 1.5),
        (np.array([1, 2], "m8[s]"), [1.0, 2.0]),
        (Tensor(), [[1.0, 2.0]]),
    ],
)
def test_what_programs_keep_things_in_becomes_json(value: object, expected: object) -> None:
    """As others write it: the value of an enum, a set as a sorted list, a time as ISO 8601, a duration in seconds."""
    keys = ["3", "true", "null", "1.5", "car", "red", "4"], ["2026-01-02", str(uuid.UUID(int=1)), "/x", "s"]
    if expected is None:
        assert isinstance(value, dict)
        assert list(told({"a": value})["a"]) in keys
    else:
        assert told({"a": value}) == {"a": expected}


def test_a_record_is_a_result() -> None:
    """A dataclass, say, in place of the dict."""
    assert told(Box(1, None)) == {"x": 1, "inner": None}


def test_a_set_that_cannot_be_sorted_is_a_list() -> None:
    """In any order."""
    assert sorted(told({"a": {1, "b"}})["a"], key=str) == [1, "b"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([1, 2], "must be a dict or None, not list"),
        ("text", "must be a dict or None, not str"),
        (np.zeros(3), "must be a dict or None, not ndarray"),
        ({"a": "x" * MAX_RESULT_BYTES}, "at most 4194304 are allowed"),
    ],
)
def test_what_is_no_result_at_all_is_refused(value: object, words: str) -> None:
    """The sentence says why."""
    with pytest.raises(BadResult, match=words):
        encode_result(value)


@pytest.mark.parametrize(
    ("value", "left", "words"),
    [
        ({"a": [b"x", 1]}, {"a": [None, 1]}, "a[0] has type bytes"),
        ({"a": {"b": object(), "c": 1}}, {"a": {"b": None, "c": 1}}, "a.b has type object"),
        ({"a": int}, {"a": None}, "a has type type"),
        ({"a": (i for i in "x")}, {"a": None}, "a has type generator"),
        ({"a": 1 + 2j, "b": {3j}}, {"a": None, "b": [None]}, "a has type complex"),
        ({(1, 2): "a", "b": 1}, {"b": 1}, "the result has a key of type tuple"),
        ({"a": {b"x": 1}}, {"a": {}}, "a has a key of type bytes"),
        ({1: "a", "1": "b"}, {"1": "a"}, "the result has two keys that read '1'"),
        ({"a": 2**64}, {"a": None}, "a is an integer of more than 64 bits"),
        ({"a": np.zeros(MAX_ARRAY_ELEMENTS + 1)}, {"a": None}, "at most 10000"),
        ({"a": range(10**12)}, {"a": None}, "a is a range of 1000000000000 elements; at most 10000"),
        ({"a": Huge()}, {"a": None}, "a is an array of 1000000000000 elements; at most 10000"),
        ({"a": np.zeros(2, complex)}, {"a": None}, "a is an array of complex128"),
        ({"a": np.array([object()])}, {"a": [None]}, "a[0] has type object"),
        ({"a": np.zeros(1, [("x", "i4")])}, {"a": None}, "a is an array of"),
        ({"a": np.array([b"x"])}, {"a": None}, "a is an array of |S1"),
        ({"a": "\ud800"}, {"a": None}, "a holds text that is not valid Unicode"),
        ({"\udfff": 1}, {}, "the result holds a key that is not valid Unicode"),
    ],
)
def test_only_what_json_cannot_express_is_lost(value: object, left: object, words: str) -> None:
    """The sentence says what the first such value is, and where; the rest is there."""
    encoded = encode_result(value)
    assert encoded is not None
    assert json.loads(encoded.data) == left
    assert encoded.lost is not None
    assert words in encoded.lost
    assert encoded.fault == encoded.lost


def test_all_that_a_result_lacks_is_said_in_one_sentence() -> None:
    """Numbers that are none as well as values that are no JSON."""
    encoded = encode_result({"a": math.nan, "b": 1j})
    assert encoded is not None
    assert encoded.fault is not None
    assert "b has type complex" in encoded.fault
    assert "a is NaN or infinite and became null" in encoded.fault


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
