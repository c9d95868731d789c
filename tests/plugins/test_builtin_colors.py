"""The ``colors`` plugin."""

from __future__ import annotations

from typing import Any

from kinora.plugins.builtin.colors import Colors
from kinora.plugins.testing import run_plugin
from tests.plugins.drawn import Image, noisy, plain


def _colors(image: Image, **options: Any) -> list[dict[str, Any]]:
    (result,) = run_plugin(Colors, [image], options).results
    assert result is not None
    colors: list[dict[str, Any]] = result["colors"]
    return colors


def test_a_flag_has_its_colours() -> None:
    """Stripes give their colours as red, green and blue, with their shares, the largest first."""
    image = plain((0, 0, 255))
    image[:, :160] = (255, 255, 255)
    image[:, 160:240] = (255, 0, 0)
    found = _colors(image)
    assert [color["hex"] for color in found] == ["#ffffff", "#0000ff", "#ff0000"]
    assert abs(found[0]["share"] - 0.5) < 0.03


def test_one_colour_is_one_colour() -> None:
    """A plain picture does not fall into five equal parts."""
    assert _colors(plain((30, 20, 10))) == [{"hex": "#0a141e", "share": 1.0}]


def test_no_more_than_asked_for() -> None:
    """``count`` and ``min_share`` limit the list."""
    image = noisy(plain(), 60)
    assert len(_colors(image, count=3, min_share=0)) == 3
    assert all(color["share"] >= 0.3 for color in _colors(image, min_share=0.3))
