"""What the pages tell to do can be done as it stands there, and they lead to each other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_cli import serving
from tests.clips import make_clip
from tests.docs.reader import Reader, is_done
from tests.docs.snippets import DOCS, PAGES, snippets, without_blocks
from tests.push_kit import picture

FOLLOWED = [page for page in PAGES if any(map(is_done, snippets(page)))]
VIDEOS = ("clip.mp4", "people.mp4", "clips/gate.mp4", "clips/yard/gate.mp4", "more/door.mp4")
PROGRAMS = {
    "ffmpeg": "#!/bin/sh\ncat pictures/*.jpg\n",  # not every machine has it; JPEGs, one behind the other
    ".curlrc": "fail-with-body\n",  # what the server refuses is a failure
}


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A reader with some videos and pictures, and with a server that has them too; its ``demo:`` is a short one."""
    root = tmp_path_factory.mktemp("docs")
    folder, data = root / "reader", root / "served"
    data.mkdir()
    for name in VIDEOS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        make_clip(folder / name)
    for name in ("pictures", "programs"):
        (folder / name).mkdir()
    for number in range(3):
        (folder / "pictures" / f"{number}.jpg").write_bytes(picture(number))
    for name, text in PROGRAMS.items():
        (folder / "programs" / name).write_text(text, encoding="utf-8")
        (folder / "programs" / name).chmod(0o700)
    make_clip(data / "demo.mp4")
    settings = {"KINORA_PLUGINS_DIR": str(folder), "KINORA_MIN_FREE_BYTES": "0"}
    with serving(root, folder, **settings) as served:
        yield Reader(folder, served.url.removeprefix("http://"), data)


@pytest.mark.parametrize("page", FOLLOWED, ids=lambda page: page.name)
def test_a_page_can_be_followed(page: Path, reader: Reader) -> None:
    """Each command and each program of it runs, in its order, and ends well."""
    reader.follow(list(snippets(page)))


def test_every_page_is_in_the_list() -> None:
    """docs/README.md leads to all pages, and to none that is not there."""
    listed = set(re.findall(r"\]\((\w[\w-]*\.md)", (DOCS / "README.md").read_text(encoding="utf-8")))
    assert listed == {page.name for page in DOCS.glob("*.md")} - {"README.md"}


def test_all_links_lead_somewhere() -> None:
    """From page to page, and to a heading of it."""
    lost = []
    for page in PAGES:
        for target, heading in re.findall(r"\]\(([\w./-]+\.\w+)?(?:#([\w-]+))?\)", without_blocks(page)):
            file = (page.parent / target).resolve() if target else page
            if not file.exists() or (heading and heading not in headings(file)):
                lost.append(f"{page.name}: {target}#{heading}")
    assert lost == []


def headings(page: Path) -> set[str]:
    """The names by which links lead to a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", without_blocks(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_readme_is_short() -> None:
    """A stranger reads it whole."""
    assert len((DOCS.parent / "README.md").read_text(encoding="utf-8").splitlines()) <= 60
