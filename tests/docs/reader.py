"""Reader: does in a folder what a page says, block after block."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import attrs

from tests.docs.snippets import Snippet

TOLD_ADDRESS = "127.0.0.1:8000"
"""The address of the server on all pages."""
PLENTY_S = 120.0


@attrs.define
class Reader:
    """A person who follows a page, with Kinora's commands on the path.

    Args:
        folder: where they work; files of one block are there for the next.
        address: of the server that they have, in place of ``TOLD_ADDRESS``.
    """

    folder: Path
    address: str
    _programs: list[str] = attrs.field(factory=list, init=False)
    """The Python blocks, which a reader types one after another into one program."""

    def do(self, snippet: Snippet) -> None:
        """Save the file that a block is, run its commands, or add it to the program.

        Raises:
            AssertionError: a command fails.
        """
        text = snippet.text.replace(TOLD_ADDRESS, self.address)
        if snippet.file is not None:
            (self.folder / snippet.file).write_text(text, encoding="utf-8")
        elif snippet.language == "sh":
            self._run(["bash", "-eu", "-c", text])
        else:
            self._programs.append(text)

    def finish(self) -> None:
        """Run the program.

        Raises:
            AssertionError: it fails.
        """
        self._run([sys.executable, "-c", "\n".join(self._programs)])

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
        commands = Path(sys.executable).parent
        return {**os.environ, "PATH": f"{commands}:{os.environ['PATH']}", "KINORA_URL": f"http://{self.address}"}
