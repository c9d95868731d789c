"""No block of a page is left out in silence: what is not followed by a reader is held against what it is about."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import filterfalse
from pathlib import Path
from typing import get_args

import attrs
import numpy as np
import pytest

from kinora.actors.messages import Payload
from kinora.actors.webhooks.receiver import Message, Receiver
from kinora.actors.webhooks.webhook import Webhook
from kinora.plugins.api import Plugin
from kinora.plugins.loading import find, load
from kinora.plugins.own_python import own_python
from kinora.plugins.protocol import Origin
from kinora.plugins.testing import run_plugin
from kinora.settings import load_settings
from tests.docs.shell import commands, is_run, look_at, words
from tests.docs.snippets import PAGES, Snippet, all_snippets, without_blocks

DRAWN = {"ARCHITECTURE.md", "docs/scale.md"}
"""The pages with drawings, which nothing can test."""
OF_PLUGIN = "[tool.kinora]"
PICTURES = [np.full((48, 64, 3), level, np.uint8) for level in range(0, 240, 30)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_block_is_of_a_kind_that_is_tested(page: Path) -> None:
    """It is fenced, and says its language."""
    languages = set(re.findall(r"^```(\S*)\n(?:.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))
    drawn = {"text"} if str(page.relative_to(PAGES[0].parents[1])) in DRAWN else set()
    assert languages <= {"sh", "python", "js", "json", "toml", "http", "nginx"} | drawn
    assert re.search(r"^\n {4}\S", without_blocks(page), re.MULTILINE) is None


def not_run() -> Iterator[str]:
    """The commands in blocks that no reader runs, and those of the Makefile and of measurements in sentences."""
    for block in all_snippets("sh"):
        yield from filterfalse(is_run, commands(block.text))
    for page in PAGES:
        yield from re.findall(r"`((?:make [a-z]|python -m benchmarks)[^`…]*)`", without_blocks(page))


@pytest.mark.parametrize("command", sorted(set(not_run())))
def test_a_command_that_is_not_run_names_what_there_is(command: str) -> None:
    """Flags, settings, targets, programs, extras and files."""
    test = look_at(command)
    assert test is not None
    test(words(command))


@pytest.mark.parametrize("block", all_snippets("toml"), ids=lambda block: block.page)
def test_a_configuration_can_be_read(block: Snippet, tmp_path: Path) -> None:
    """As a ``kinora.toml``, or as the ``pyproject.toml`` of a plugin's folder."""
    name = "pyproject.toml" if OF_PLUGIN in block.text else "kinora.toml"
    (tmp_path / name).write_text(block.text, encoding="utf-8")
    if OF_PLUGIN in block.text:
        assert own_python(tmp_path) is not None
    else:
        load_settings({}, {}, tmp_path / name)


def is_a_message(text: str) -> None:
    """The text is a message to clients, with all its keys and no other."""
    told = json.loads(text)
    assert list(told) == ["type", "payload", "timestamp", "id"]
    payload = {each.type: each for each in get_args(Payload)}[told["type"]]
    assert list(told["payload"]) == [field.name for field in attrs.fields(payload)]


@pytest.mark.parametrize("block", all_snippets("json"), ids=lambda block: block.page)
def test_a_message_has_the_keys_that_are_sent(block: Snippet) -> None:
    """Its own, and those of its kind."""
    is_a_message(block.text)


@pytest.mark.parametrize("block", all_snippets("http"), ids=lambda block: block.page)
async def test_a_post_has_the_headers_that_are_sent(block: Snippet, tmp_path: Path) -> None:
    """Those of Kinora, to a receiver with a secret, before a message."""
    (tmp_path / "secret").write_text("s", encoding="utf-8")
    (request, *told), (body,) = (part.splitlines() for part in block.text.split("\n\n"))
    assert request.startswith("POST ")
    webhook = Webhook(url="http://127.0.0.1/kinora", secret_file=tmp_path / "secret")
    sent = await Receiver(webhook)._headers(Message("id", "event", b"{}"), 0)
    names = [name for name, _ in sent if name.startswith(("Content-Type", "Kinora-"))]
    assert [line.partition(": ")[0] for line in told] == names
    is_a_message(body)


@pytest.mark.parametrize(
    "block",
    [each for each in all_snippets("python") if each.file and not each.file.startswith("test_")],
    ids=lambda block: f"{block.page}: {block.file}",
)
def test_a_plugin_works(block: Snippet, tmp_path: Path) -> None:
    """Each that the file defines is found, and has results: frame by frame, in batches, and joined."""
    assert block.file is not None
    (tmp_path / block.file).write_text(block.text, encoding="utf-8")
    location = str(tmp_path / block.file)
    found = find(Origin(kind="file", location=location, attribute=""))
    assert found.faults == []
    for each in found.plugins:
        plugin = load(Origin(kind="file", location=location, attribute=each.attribute))
        if plugin.__base__ is not Plugin:
            continue  # it is derived from one that needs a model
        for run in (run_plugin(plugin, PICTURES, restart_after=4), run_plugin(plugin, PICTURES, batch=8)):
            assert any(run.results)
            assert run.warnings == []
            if each.merges:
                assert run.final is not None
                assert plugin().merge([run.final, run.final]) == run.final
