"""The names of files that a browser saves."""

from __future__ import annotations

import pytest

from kinora.web.answers.file_names import attachment

JOB = "50b3245c-db53-4d2c-af42-52c88ed3bce5"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("clips/people.mp4", "people"),
        ("a b.final (2).mp4", "a b.final (2)"),
        ("http://camera.local/live.mjpg?user=a/b", "live"),
        ("http://camera.local/", "kinora"),
        ("demo:", "demo"),
        ("pictures/", "pictures"),
        ('a"b\\c\r\nd.mp4', "a_b_c_d"),
        ("...", "kinora"),
        ("x" * 500 + ".mp4", "x" * 80),
    ],
)
def test_files_are_named_after_their_source(source: str, name: str) -> None:
    """The source's own name, without what a name cannot have."""
    assert attachment(source, JOB, "csv") == f'attachment; filename="{name}-50b3245c.csv"'


def test_a_name_that_is_not_ascii_comes_in_both_forms() -> None:
    """Old clients get underscores."""
    assert attachment("Größe.mp4", JOB, "mp4") == (
        "attachment; filename=\"Gr__e-50b3245c.mp4\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe-50b3245c.mp4"
    )
