"""The environment of workers."""

from __future__ import annotations

import attrs
import pytest

from kinora.runtime.forking.worker_environment import passed_on
from kinora.serve import open_server
from kinora.settings import Settings
from kinora.system import open_system
from tests.client_kit import get, post
from tests.jobs_kit import frames_of, run_job

SPY = """
import os
from pathlib import Path
from kinora.plugins import tool

@tool("spy")
def spy(frame):
    workers = Path(f"/proc/{os.getppid()}/task/{os.getppid()}/children").read_text().split()
    return {"own": dict(os.environ), "all": [Path(f"/proc/{pid}/environ").read_text("latin-1") for pid in workers]}
"""


@pytest.mark.parametrize(("worker_env", "seen"), [((), []), (("HF_*",), ["HF_TOKEN"]), (("HF_TOKEN",), ["HF_TOKEN"])])
async def test_workers_do_not_see_secrets(
    worker_env: tuple[str, ...], seen: list[str], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a plugin nor the decoder has a variable of the server's that nobody has named for them."""
    secrets = {"HF_TOKEN": "of-the-hub", "AWS_SECRET_ACCESS_KEY": "of-the-cloud"}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LC_TIME", "C")
    assert settings.plugins_dir is not None
    (settings.plugins_dir / "spy.py").write_text(SPY)
    async with open_server(attrs.evolve(settings, worker_env=worker_env)) as server:
        job = {"source": "clip.mp4", "plugins": ["spy"], "options": {"max_frames": 1}}
        where = f"{server.url}/v1/jobs/{(await post(f'{server.url}/v1/jobs', job)).json()['job_id']}"
        while (await get(f"{where}/extended", prefer="wait=10")).json()["status"] != "done":
            pass
        (frame,) = (await get(where)).json()["frames"]
    result = frame["results"]["spy"]
    assert [name for name in secrets if name in result["own"]] == seen
    assert result["own"]["LC_TIME"] == "C"
    assert len(result["all"]) >= 2  # the decoder and the plugin
    for environment in result["all"]:
        assert [name for name, value in secrets.items() if value in environment] == seen


def test_only_whole_names_and_named_beginnings_are_passed_on() -> None:
    """A name without a star stands for itself alone."""
    given = dict.fromkeys(("PATH", "PATHOLOGY", "LC_ALL", "LC", "MY_KEY", "MY_", "NOT_MY_KEY"), "x")
    assert set(passed_on(given, ["MY_*"])) == {"PATH", "LC_ALL", "MY_KEY", "MY_"}


OPENCV = """
import cv2, numpy as np
from kinora.plugins import tool

@tool("opencv")
def opencv(frame):
    def readable(width, height):
        data = cv2.imencode(".png", np.zeros((height, width, 3), np.uint8))[1]
        try:
            return cv2.imdecode(data, cv2.IMREAD_COLOR) is not None
        except cv2.error:
            return False
    return {"fits": readable(300, 200), "wide": readable(2000, 30), "large": readable(301, 200)}
"""


async def test_opencv_refuses_images_over_the_operators_limit(settings: Settings) -> None:
    """In every worker, however an image's header was read; an image of the limit, in any shape, is read."""
    assert settings.plugins_dir is not None
    (settings.plugins_dir / "opencv.py").write_text(OPENCV)
    async with open_system(attrs.evolve(settings, max_pixels=60_000)) as system:
        (frame,) = await frames_of(system, await run_job(system, "opencv", max_frames=1))
    assert frame["results"]["opencv"] == {"fits": True, "wide": True, "large": False}
