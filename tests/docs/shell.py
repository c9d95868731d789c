"""The commands in a shell's block: those that a reader runs, and those whose words alone are looked at.

The latter go on until they are stopped, take very long, belong to a machine that is not here, or have tests of their
own.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import runpy
import shlex
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from itertools import takewhile
from unittest import mock

from packaging.requirements import Requirement

from kinora.cli.serve import serve
from kinora.settings import load_settings, passed_over
from tests.docs.snippets import ROOT

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def commands(text: str) -> Iterator[str]:
    """The commands of a block, each in one line."""
    for line in re.sub(r"\\\n\s*|(?<=\|)\n\s*", " ", text).splitlines():
        if line.split("#")[0].strip():
            yield line


def is_run(command: str) -> bool:
    """True if a reader who has a server can run the command to its end."""
    return look_at(command) is None


def look_at(command: str) -> Callable[[list[str]], None] | None:
    """The test of the words of a command that is not run; None if it is."""
    return next((test for pattern, test in LOOKED_AT.items() if re.match(pattern, command)), None)


def words(command: str) -> list[str]:
    """The words of a command, without its comment."""
    return shlex.split(command, comments=True)


def makes_settings(told: list[str]) -> None:
    """``kinora serve`` takes these flags, and they and the variables before it are settings of a server."""
    variables = dict(word.split("=", 1) for word in takewhile(lambda word: "=" in word, told))
    flags = [word for word in told[told.index("serve") + 1 :] if word != "&"]
    given = serve.make_context("serve", flags).params
    assert given.pop("config") is None
    assert passed_over(variables) == []
    load_settings(given, variables)


def is_read_elsewhere(told: list[str]) -> None:
    """A command of Kinora's, whose words ``test_commands`` reads. Tests of its own run it."""
    assert told[0] == "kinora"


def is_a_target(told: list[str]) -> None:
    """The Makefile has the target, and uses each variable."""
    _, target, *variables = told
    assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)
    assert [name for name, _, _ in (each.partition("=") for each in variables) if f"$({name}" not in MAKEFILE] == []


class _Parsed(BaseException):
    """The program has read its arguments."""


def is_a_long_run(told: list[str]) -> None:
    """There is such a program, and it takes these arguments."""
    module, *arguments = told[2:]
    assert importlib.util.find_spec(module) is not None
    if not arguments:
        return
    parse = argparse.ArgumentParser.parse_args

    def parse_and_stop(parser: argparse.ArgumentParser) -> None:
        parse(parser)
        raise _Parsed

    stopping = mock.patch.object(argparse.ArgumentParser, "parse_args", parse_and_stop)
    with stopping, mock.patch.object(sys, "argv", [module, *arguments]), mock.patch.dict(sys.modules):
        sys.modules.pop(module, None)  # another program may have imported it
        try:
            runpy.run_module(module, run_name="__main__")
        except _Parsed:
            return
    raise AssertionError(f"{module} reads no arguments")


def installs_what_there_is(told: list[str]) -> None:
    """The project has the extras."""
    named = Requirement(told[-1].replace(".[", f"{PROJECT['name']}[").replace("==VERSION", ""))
    assert named.name == PROJECT["name"]
    assert named.extras <= PROJECT["optional-dependencies"].keys()


def names_files_that_there_are(told: list[str]) -> None:
    """What it names of the project's folder ``deploy`` is there."""
    files = [path for word in told for path in re.findall(r"(?:^|=)(deploy/\S+\.\S+|deploy/Dockerfile)$", word)]
    assert [path for path in files if not (ROOT / path).exists()] == []


LOOKED_AT: Mapping[str, Callable[[list[str]], None]] = {
    r"(\w+=\S+ )*kinora serve\b": makes_settings,
    r"kinora (agent|deliveries|doctor|plugins check|webhooks|run '?(http|rtsp)s?:)": is_read_elsewhere,
    r"make\b": is_a_target,
    r"python -m benchmarks\.": is_a_long_run,
    r"(\S*/)?pip install\b": installs_what_there_is,
    r"(docker|kubectl|prometheus|promtool|sudo apt-get)\b": names_files_that_there_are,
}
"""The beginnings of commands that are not run, and what is asked of their words."""
