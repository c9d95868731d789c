"""Compare the videos of the test suite with the command ``ffmpeg``: ``python -m benchmarks.files [FFMPEG]``."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.media.all_files import Case, all_cases
from tests.media.ffmpeg_answer import by_command
from tests.media.test_all_files import by_kinora

MS = 1.01
"""Both round to a thousandth of a second."""


def difference(case: Case, path: Path, ffmpeg: str) -> str | None:
    """What differs between Kinora's answer and the command's; None if nothing does."""
    _, got, _ = by_kinora(path)
    wanted = by_command(path, ffmpeg)
    if len(got) != len(wanted):
        return f"{len(got)} pictures, {len(wanted)} by ffmpeg"
    if got[0].size != wanted[0][1]:
        return f"{got[0].size}, {wanted[0][1]} by ffmpeg"
    apart = max(abs(one.at_ms - at_ms) for one, (at_ms, _) in zip(got, wanted, strict=True))
    return f"times are up to {apart:.1f} ms apart" if case.timed and apart > MS else None


def main() -> int:
    """Print the files that differ; return 1 if there are any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ffmpeg", nargs="?", default=shutil.which("ffmpeg"))
    ffmpeg = parser.parse_args().ffmpeg
    if ffmpeg is None:
        print("There is no ffmpeg: install it, or give its path.", file=sys.stderr)
        return 2
    version = subprocess.run([ffmpeg, "-version"], capture_output=True, text=True, check=True).stdout.split("\n")[0]
    compared = differ = 0
    with tempfile.TemporaryDirectory() as folder:
        for case in all_cases().values():
            path = Path(folder, case.name)
            case.write(path)
            compared += 1
            if (found := difference(case, path, ffmpeg)) is not None:
                differ += 1
                print(f"{case.name}: {found}")
            path.unlink()
    print(f"{compared} files, {differ} differ from {version}")
    return int(differ > 0)


if __name__ == "__main__":
    sys.exit(main())
