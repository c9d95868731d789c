"""Every container, codec and oddity that FFmpeg writes here, read as FFmpeg itself reads it: frame by frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kinora.media.source_types import SourceInfo, SourceLimits, SourceTruncated
from kinora.media.sources import open_source
from tests.media.all_files import Case, all_cases
from tests.media.ffmpeg_answer import Shown, by_libraries, shown

CASES = all_cases()
MS = 1.0
COLOUR = 1.0
"""The most by which a quarter's mean colour may differ."""


def by_kinora(path: Path, start: int = 0) -> tuple[SourceInfo, list[Shown], str | None]:
    """What Kinora knows of a file, its pictures from ``start`` on, and why it broke off."""
    got: list[Shown] = []
    with open_source(str(path), limits=SourceLimits()) as source:
        try:
            for picture in source.frames(start):
                image = np.empty((picture.height, picture.width, 3), np.uint8)
                picture.write_to(image)
                got.append(shown(picture.timestamp_ms, image))
        except SourceTruncated as error:
            return source.info, got, str(error)
        return source.info, got, None


def differences(case: Case, path: Path) -> list[str]:
    """What differs between Kinora's answer and FFmpeg's."""
    info, got, broken = by_kinora(path)
    wanted = by_libraries(path)
    if len(got) != len(wanted):
        return [f"{len(got)} pictures for {len(wanted)}"]
    found = []
    times = np.array([picture.at_ms for picture in got])
    if case.timed and np.abs(times - [picture.at_ms for picture in wanted]).max() > MS:
        found.append("times")
    if (np.diff(times) < 0).any() or times[0] != 0:
        found.append("times that go back")
    if [picture.size for picture in got] != [picture.size for picture in wanted]:
        found.append("sizes")
    elif np.abs(np.subtract([one.colours for one in got], [one.colours for one in wanted])).max() > COLOUR:
        found.append("colours")
    if (broken is None) != case.whole:
        found.append(f"the end: {broken}")
    if case.whole and case.counted and info.frames_total not in {None, len(got)}:
        found.append(f"{info.frames_total} pictures announced for {len(got)}")
    middle = len(got) // 2
    if by_kinora(path, middle)[1] != got[middle:]:
        found.append(f"reading from picture {middle} on")
    return found


@pytest.mark.parametrize("name", CASES)
def test_a_file_is_read_as_ffmpeg_reads_it(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The count, times, sizes, orientation and colours of its pictures, from any on, and whether it is whole."""
    monkeypatch.setattr("kinora.media.videos.video.SEEK_WORTH", 1)
    case, path = CASES[name], tmp_path / name
    case.write(path)
    assert differences(case, path) == []
