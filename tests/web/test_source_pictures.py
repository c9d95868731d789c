"""The first picture of a source, to draw zones and lines on before there is a job."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

import cv2
import numpy as np
from numpy.typing import NDArray

from kinora.serve import RunningServer
from kinora.web.access.rights import needed_role
from tests.client_kit import Answer, get
from tests.clips import make_clip


async def picture_of(server: RunningServer, source: str) -> Answer:
    """What the server answers about this source."""
    return await get(f"{server.url}/v1/sources/picture.jpg?{urlencode({'source': source})}")


def decoded(answer: Answer) -> NDArray[np.uint8]:
    """The picture in an answer."""
    picture = cv2.imdecode(np.frombuffer(answer.body, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture.astype(np.uint8)


async def test_the_first_picture_of_a_file_comes_in_its_own_size(server: RunningServer, media: Path) -> None:
    """It is not kept: the file may be another one next time."""
    make_clip(media / "first.mp4")
    answer = await picture_of(server, "first.mp4")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/jpeg")
    assert answer.headers["cache-control"] == "no-store"
    size = decoded(answer).shape
    cv2.imwrite(str(media / "second.png"), np.zeros((30, 40, 3), np.uint8))
    (media / "second.png").replace(media / "first.mp4")
    assert decoded(await picture_of(server, "first.mp4")).shape == (30, 40, 3) != size


async def test_a_source_without_a_picture_is_refused_with_the_reason(server: RunningServer) -> None:
    """What a job may not read, nobody sees."""
    refused = {"": 422, "push:": 422, "../outside.mp4": 422, "camera:none": 422, "http://127.0.0.1:9/": 404}
    for source, status in refused.items():
        answer = await picture_of(server, source)
        assert (source, answer.status, answer.headers["content-type"]) == (source, status, "application/problem+json")
        assert answer.json()["detail"]


def test_only_those_who_may_start_jobs_have_the_server_open_a_source() -> None:
    """A token that only watches opens no camera and no URL."""
    scope = {"type": "http", "method": "GET", "path": "/v1/sources/picture.jpg", "query_string": b""}
    assert needed_role(scope) == "operate"
