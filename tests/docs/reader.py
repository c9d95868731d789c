"""Reader: does in a folder what a page says, block after block."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.request import Request, urlopen

import attrs

from tests.docs.shell import commands, is_run
from tests.docs.snippets import Snippet

TOLD_ADDRESS = "127.0.0.1:8000"
"""The address of the server on all pages."""
TOLD_DATA = "/var/lib/kinora/data"
"""The server's data folder on all pages."""
PLENTY_S = 240.0


def is_done(snippet: Snippet) -> bool:
    """True if a reader does something of a block: saves a file, runs commands or a program."""
    if snippet.language == "sh":
        return any(map(is_run, commands(snippet.text)))
    return snippet.language == "python"


@attrs.frozen
class Reader:
    """A person who follows pages, with Kinora's commands on the path and a server at work."""

    folder: Path
    """Where they work, which is the server's folder of media and plugins. Own programs are in ``programs``."""
    address: str
    """The server's, in place of ``TOLD_ADDRESS``."""
    data: Path
    """Its data folder, in place of ``TOLD_DATA``."""

    def follow(self, snippets: Sequence[Snippet]) -> None:
        """Save the files that blocks are, type all commands into one shell, and all Python into one program.

        Raises:
            AssertionError: a command or the program fails.
        """
        if files := [(each.file, self._own(each.text)) for each in snippets if each.file is not None]:
            for name, text in files:
                (self.folder / name).write_text(text, encoding="utf-8")
            self._have_plugins_looked_for()
        script = [command for text in self._texts(snippets, "sh") for command in commands(text) if is_run(command)]
        if script:
            self._run(["bash", "-eux", "-o", "pipefail", "-c", "\n".join(script)])
        if program := self._texts(snippets, "python"):
            self._run([sys.executable, "-c", "\n".join(program)])

    def _texts(self, snippets: Sequence[Snippet], language: str) -> list[str]:
        return [self._own(each.text) for each in snippets if each.language == language and each.file is None]

    def _own(self, text: str) -> str:
        """The text with the reader's own server in it."""
        return text.replace(TOLD_ADDRESS, self.address).replace(TOLD_DATA, str(self.data))

    def _have_plugins_looked_for(self) -> None:
        with urlopen(Request(f"http://{self.address}/v1/plugins/reload", method="POST")):
            pass

    def _run(self, command: list[str]) -> None:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=PLENTY_S,
            check=False,
        )
        assert done.returncode == 0, f"{command[-1]}\n{done.stdout}{done.stderr}"

    def _environment(self) -> dict[str, str]:
        programs = self.folder / "programs"
        path = f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "CURL_HOME": str(programs), "KINORA_URL": f"http://{self.address}"}
