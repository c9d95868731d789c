"""What the pages for beginners and for scripts tell to do can be done as it stands there."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest
import trio

from kinora.serve import RunningServer
from kinora.settings import Settings
from tests.clips import make_clip
from tests.docs.reader import Reader
from tests.docs.snippets import DOCS, snippets

RUN = {"sh", "python"}
"""JavaScript is run in a browser, by kinora/web/ui/e2e/docs.e2e.ts."""
SHOWN = {"js", "json", "toml"}
"""Neither run here, nor left out in silence: see there, or they are what a program answers."""


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """A server that has the reader's folder, as the pages have theirs."""
    (tmp_path / "reader").mkdir()
    return Settings(
        port=0,
        data_dir=settings.data_dir,
        media_dir=tmp_path / "reader",
        plugins_dir=tmp_path / "reader",
        min_free_bytes=0,
    )


@pytest.mark.parametrize("page", ["start.md", "rest.md", "realtime.md", "python.md"])
async def test_a_page_can_be_followed(page: str, server: RunningServer, tmp_path: Path) -> None:
    """Each command and each program of it runs, in its order, and ends well."""
    make_clip(tmp_path / "reader" / "clip.mp4")
    reader = Reader(tmp_path / "reader", server.url.removeprefix("http://"))
    for snippet in snippets(page):
        assert snippet.language in RUN | SHOWN
        if snippet.language in RUN and not snippet.serves:
            await trio.to_thread.run_sync(partial(reader.do, snippet))
            if snippet.file is not None:
                await server.system.plugins.reload()
    await trio.to_thread.run_sync(reader.finish)


def test_every_page_is_in_the_list() -> None:
    """docs/README.md leads to all pages, and to none that is not there."""
    listed = set(re.findall(r"\]\((\w[\w-]*\.md)", (DOCS / "README.md").read_text(encoding="utf-8")))
    assert listed == {page.name for page in DOCS.glob("*.md")} - {"README.md"}


def test_all_links_lead_somewhere() -> None:
    """From page to page, and to a heading of it."""
    lost = []
    for page in [*DOCS.glob("*.md"), DOCS.parent / "README.md"]:
        for target, heading in re.findall(r"\]\(([\w./-]+\.md)(?:#([\w-]+))?\)", page.read_text(encoding="utf-8")):
            file = (page.parent / target).resolve()
            if not file.exists() or (heading and heading not in headings(file)):
                lost.append(f"{page.name}: {target}#{heading}")
    assert lost == []


def headings(page: Path) -> set[str]:
    """The names by which links lead to a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
