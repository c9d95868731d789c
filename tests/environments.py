"""Virtual environments for tests, made without a network: other packages than those that Kinora runs with."""

from __future__ import annotations

import importlib.util
import venv
from collections.abc import Sequence
from pathlib import Path

NEEDED = ("attr", "attrs", "msgspec", "numpy")


def make_environment(folder: Path, packages: Sequence[str] = NEEDED) -> Path:
    """An environment with these packages of ours and the module ``only_here``; return its interpreter."""
    venv.create(folder, symlinks=True, with_pip=False)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "only_here.py").write_text("WORD = 'from the environment'\n")
    for package in packages:
        spec = importlib.util.find_spec(package)
        assert spec is not None
        assert spec.submodule_search_locations is not None
        for place in (*map(Path, spec.submodule_search_locations), *_libraries(spec.submodule_search_locations[0])):
            (site / place.name).symlink_to(place)
    return folder / "bin" / "python"


def _libraries(package: str) -> list[Path]:
    """What wheels put beside a package."""
    beside = Path(f"{package}.libs")
    return [beside] if beside.is_dir() else []
