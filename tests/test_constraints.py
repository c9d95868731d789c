"""What Kinora needs to run is installed in known versions."""

from __future__ import annotations

from importlib.metadata import requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CONSTRAINTS = Path(__file__).parent.parent / "constraints.txt"


def needed(name: str, found: dict[str, str]) -> dict[str, str]:
    """Return the distributions that ``name`` needs, and those that they need, with their installed versions."""
    for requirement in map(Requirement, requires(name) or ()):
        wanted = canonicalize_name(requirement.name)
        if wanted not in found and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            found[wanted] = version(wanted)
            needed(wanted, found)
    return found


def constraints() -> dict[str, str]:
    """Return the distributions that the file names for this Python, with their versions."""
    lines = CONSTRAINTS.read_text().splitlines()
    entries = [Requirement(line) for line in lines if not line.startswith("#")]
    return {
        canonicalize_name(entry.name): str(entry.specifier).removeprefix("==")
        for entry in entries
        if entry.marker is None or entry.marker.evaluate()
    }


def test_the_constraints_name_each_distribution_that_runs_and_its_version() -> None:
    """None is left out, so that an installation today and one in a year run the same code."""
    assert needed("kinora", {}).items() <= constraints().items()
