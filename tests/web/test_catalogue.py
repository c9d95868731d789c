"""The schemas of what a result may say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator, ValidationError

from kinora.plugins.forms.catalogue import CATALOGUE, Detection, Mask, Result
from kinora.serve import RunningServer
from kinora.web.api.catalogue import catalogue_schema
from tests.client_kit import get

WHOLE: dict[str, Any] = {
    "detections": [
        {
            "x": 1,
            "y": 2,
            "width": 3.5,
            "height": 4,
            "confidence": 0.9,
            "class": "person",
            "track_id": 7,
            "mask": {"x": 1, "y": 2, "width": 3, "height": 4, "counts": "0<"},
            "polygon": [[1, 2], [4, 2], [4, 6]],
            "keypoints": [[1, 2, 0.5], [3, 4, None]],
            "angle": 30,
            "text": "EXIT",
            "attributes": {"colour": "green"},
        }
    ],
    "classes": [{"class": "street", "confidence": 0.8}],
    "metrics": {"people": 3, "speed": None},
    "lines": [{"points": [[0, 0], [9, 9]], "label": "gate"}],
    "polygons": [{"points": [[0, 0], [9, 9], [0, 9]]}],
    "points": [{"x": 1, "y": 2, "label": "ball"}],
    "events": [{"kind": "entered", "message": "A person came in.", "data": {"zone": "door"}}],
}


async def test_the_schemas_are_served(server: RunningServer) -> None:
    """Each is a valid schema with a description of each key; of another name, the names are told."""
    for name in CATALOGUE:
        schema = (await get(f"{server.url}/v1/schemas/{name}.json")).json()
        Draft202012Validator.check_schema(schema)
        for part in schema["$defs"].values():
            assert all("description" in kind for kind in part["properties"].values())
    missing = await get(f"{server.url}/v1/schemas/thing.json")
    assert missing.status == 404
    assert "use one of result, detection" in missing.json()["detail"]


def test_a_whole_result_fits() -> None:
    """The schema and the classes it is made from take the same."""
    Draft202012Validator(catalogue_schema("result")).validate(WHOLE)
    read = msgspec.convert(WHOLE, Result)
    assert read.detections[0].as_json() == WHOLE["detections"][0]


@pytest.mark.parametrize(
    "fault",
    [
        {"detections": [{"x": 1, "y": 2}]},
        {"detections": [{**WHOLE["detections"][0], "mask": {"counts": "0<"}}]},
        {"metrics": {"people": "three"}},
        {"events": [{"kind": "k" * 65}]},
    ],
)
def test_what_the_catalogue_does_not_know_does_not_fit(fault: dict[str, Any]) -> None:
    """A box without a size, a mask without a place, a number as text, a kind that is too long."""
    with pytest.raises(ValidationError):
        Draft202012Validator(catalogue_schema("result")).validate(fault)


def test_the_page_lists_each_key() -> None:
    """As the classes have them."""
    page = (Path(__file__).parents[2] / "docs/results.md").read_text(encoding="utf-8")
    keys = {key for form in (Result, Detection, Mask) for key in catalogue_schema_keys(form)}
    assert [key for key in sorted(keys) if f"`{key}`" not in page and f'"{key}"' not in page] == []


def catalogue_schema_keys(form: type[msgspec.Struct]) -> list[str]:
    """The keys of a form in JSON."""
    return [field.encode_name for field in msgspec.structs.fields(form)]


def test_a_detection_tells_what_it_has() -> None:
    """Places are rounded; what is not set is left out."""
    plain = Detection(x=0.04, y=0, width=10.26, height=3, confidence=0.12345, kind="cat")
    assert plain.as_json() == {"x": 0.0, "y": 0, "width": 10.3, "height": 3, "confidence": 0.123, "class": "cat"}
    mask = Mask(x=0, y=0, width=1, height=1, counts="01")
    assert msgspec.structs.replace(plain, mask=mask).as_json()["mask"]["counts"] == "01"
