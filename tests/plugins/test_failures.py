"""What an author is told of an error: what to do, and the place in the own code."""

import json.decoder
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kinora.plugins import api
from kinora.plugins.failures import COPY_FIRST, own_place, raised
from kinora.plugins.import_errors import with_place
from kinora.plugins.protocol import Origin


def trace(*files: str) -> str:
    """A traceback through these files, each in a line of its own."""
    return "".join(f'  File "{file}", line {n}, in f{n}\n    x\n' for n, file in enumerate(files, 1))


@pytest.mark.parametrize("library", [json.decoder.__file__, api.__file__])
@pytest.mark.parametrize("levels", [2, -1])
def test_python_and_kinora_are_not_the_authors(library: str, levels: int) -> None:
    """Although they lie below the plugin's folder, as in a home folder, a checkout, or the root of a container."""
    home = Path(library).parents[levels]
    assert own_place(trace(f"{home / 'mine.py'}", library), str(home)) == "mine.py, line 1, in f1"


def test_libraries_are_the_authors_only_if_the_plugin_is_one() -> None:
    """An installed plugin is its author's own code, the packages of a virtual environment beside it are not."""
    packages = "/home/me/.venv/lib/python3/site-packages"
    assert own_place(trace("/home/me/mine.py", f"{packages}/other.py"), "/home/me") == "mine.py, line 1, in f1"
    assert own_place(trace(f"{packages}/mine/a.py", f"{packages}/b.py"), f"{packages}/mine") == "a.py, line 1, in f1"


def test_a_broken_import_names_the_line_of_a_neighbour(tmp_path: Path) -> None:
    """The last line of the author's own, in the file itself or in one beside it that it imports."""
    mine = Origin(kind="file", location=str(tmp_path / "mine.py"), attribute="")
    shown = trace(mine.location, str(tmp_path / "helper.py"), json.decoder.__file__)
    assert with_place("KeyError: 'a'", shown, mine) == f"KeyError: 'a' ({tmp_path}/helper.py, line 2)"


@pytest.mark.parametrize(
    "write",
    [
        lambda image: image.fill(0),
        lambda image: image.sort(),
        lambda image: image.setflags(write=True),
        lambda image: image.byteswap(inplace=True),
        lambda image: image.partition(1),
        lambda image: np.clip(image, 1, 2, out=image),
        lambda image: np.put(image, 0, 1),
        lambda image: np.putmask(image, image == 0, 1),
        lambda image: np.take(image, [0], axis=0, out=image[:1]),
        lambda image: np.fill_diagonal(image[..., 0], 1),
        lambda image: np.random.default_rng().shuffle(image),
        np.ctypeslib.as_ctypes,
    ],
)
def test_who_writes_into_a_frame_is_told_to_copy_it(write: Callable[[Any], object]) -> None:
    """However numpy says that it cannot be."""
    image = np.frombuffer(bytes(300), np.uint8).reshape(10, 10, 3)
    with pytest.raises((ValueError, TypeError)) as caught:
        write(image)
    assert raised(caught.value, 0.0).message.endswith(f": {COPY_FIRST}")


@pytest.mark.parametrize(
    "text", ["the database is read-only", "'x' is read-only", "array is read-only, or so it seems"]
)
def test_other_things_that_are_read_only_are_left_alone(text: str) -> None:
    """An error of the plugin's own is told as it is."""
    assert raised(ValueError(text), 0.0).message == f"ValueError: {text}"
