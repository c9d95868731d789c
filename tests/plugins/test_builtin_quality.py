"""The ``quality`` plugin."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from kinora.plugins.builtin.quality import Quality, Stretch
from kinora.plugins.testing import run_plugin
from tests.plugins.drawn import Image, noisy, plain, walk, walker

SHARP = noisy(walk([walker()], frames=1)[0], 3)
BLURRED = np.asarray(cv2.GaussianBlur(SHARP, (0, 0), 6), np.uint8)
DARK = (SHARP // 10).astype(np.uint8)


def _metrics(image: Image) -> dict[str, Any]:
    (result,) = run_plugin(Quality, [image]).results
    assert result is not None
    metrics: dict[str, Any] = result["metrics"]
    return metrics


def test_exposure_is_measured() -> None:
    """Mean luma and the clipped shares of a picture that is half black and half white."""
    image = plain((0, 0, 0))
    image[:, :160] = 255
    metrics = _metrics(image)
    assert metrics["brightness"] == 127.5
    assert metrics["clipped_dark"] == 0.5
    assert metrics["clipped_bright"] == 0.5


@pytest.mark.parametrize("sigma", [3.0, 8.0])
def test_noise_is_estimated(sigma: float) -> None:
    """The estimate is within a tenth of the noise that grey pixels were given."""
    grey = noisy(plain(), sigma)[..., :1].repeat(3, axis=2)
    assert abs(_metrics(grey)["noise"] - sigma) < sigma / 10


def test_blur_lowers_sharpness() -> None:
    """The same picture out of focus is far less sharp."""
    assert _metrics(BLURRED)["sharpness"] < _metrics(SHARP)["sharpness"] / 10


def test_each_dark_stretch_warns_once_when_it_begins() -> None:
    """Two dark stretches give two warnings with the times at which they were noticed, and none of blur."""
    pictures = [SHARP] * 5 + [DARK] * 20 + [SHARP] * 5 + [DARK] * 20
    warnings = run_plugin(Quality, pictures).warnings
    assert [warning.split(" on")[0] for warning in warnings] == ["dark from 0.3 s", "dark from 1.3 s"]


def test_a_blurred_stretch_warns_once() -> None:
    """However long it is out of focus, it says so once."""
    warnings = run_plugin(Quality, [SHARP] * 5 + [BLURRED] * 50).warnings
    assert len(warnings) == 1
    assert warnings[0].startswith("blurred from 0.3 s on")


def test_a_stretch_does_not_flicker() -> None:
    """A figure that hovers about the limit begins one stretch, not many, and single frames begin none."""
    stretch = Stretch(limit=40, frames=2)
    assert not any(stretch.begins(value) for value in (80, 30, 80, 30, 80))
    assert [stretch.begins(value) for value in (30, 30, 42, 42, 38, 42, 42)].count(True) == 1
    assert stretch.under_way
    assert not any(stretch.begins(value) for value in (80, 80))
    assert not stretch.under_way
