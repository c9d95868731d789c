"""How many sources have ended, and how: the table at the end, JSON for programs, and the exit code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import attrs

from kinora.cli.local.local_job import PLUGINS_FAILED
from kinora.cli.local.run_arguments import RunArguments
from kinora.cli.terminal.output import counted, print_json, print_line, print_table

COLUMNS = ("source", "status", "frames", "seconds", "fps", "detections", "events", "warnings", "error")
IF_ANY = ("events", "error")
"""The columns that are there if a row has anything in them."""
OPTIONAL = ("fps", "seconds", "warnings")
"""The columns that a narrow terminal need not show, the first of them first."""
OLD = "done before"
"""The status of a source that an earlier run has done."""
FAILED = 1
"""The exit code if a source failed."""


@attrs.frozen(kw_only=True)
class Outcome:
    """How a source has ended."""

    source: str
    """As it was written."""
    summary: Mapping[str, Any]
    """Of its job; of one that could not begin, the ``status`` and the ``error``."""
    files: Sequence[Path] = ()
    """What was written."""
    is_old: bool = False
    """True if an earlier run has done it."""
    lacking: frozenset[str] = frozenset()
    """The plugins whose results do not fit into the files as a whole."""

    @classmethod
    def failed(cls, source: str, error: str) -> Self:
        """The outcome of a source whose job could not begin."""
        return cls(source=source, summary={"status": "failed", "error": error})

    @property
    def row(self) -> dict[str, Any]:
        """Its row of the table, by column."""
        told = self.summary
        plugins = [f"{name} failed: {why}" for name, why in told.get("failed_plugins", {}).items()]
        return {
            "source": self.source,
            "status": OLD if self.is_old else told["status"],
            "frames": told.get("frames", 0),
            "seconds": told.get("seconds"),
            "fps": told.get("fps"),
            "detections": told.get("detections", 0),
            "events": sum(told.get("events", {}).values()),
            "warnings": len(told.get("warnings", ())),
            "error": "; ".join(filter(None, (told["error"], *plugins))) or None,
        }

    @property
    def as_json(self) -> dict[str, Any]:
        """All that is known of it."""
        files = [str(file) for file in self.files]
        return {"source": self.source, "done_before": self.is_old, "files": files, **self.summary}


def report(outcomes: Sequence[Outcome], wanted: RunArguments, left: int = 0) -> int:
    """Print the outcomes, as a table or as JSON, and return the exit code; ``left`` sources have not ended."""
    if wanted.as_json:
        print_json([outcome.as_json for outcome in outcomes])
    else:
        _print_rows([outcome.row for outcome in outcomes], left)
    if names := sorted(frozenset[str]().union(*(outcome.lacking for outcome in outcomes))):
        print_line(
            f"the .csv files lack a part of what {', '.join(names)} gave: jsonl and json have all", file="stderr"
        )
    if any(outcome.summary["status"] != "done" for outcome in outcomes):
        return FAILED
    failing = any(outcome.summary["failed_plugins"] for outcome in outcomes)
    return PLUGINS_FAILED if wanted.strict and failing else 0


def _print_rows(rows: Sequence[Mapping[str, Any]], left: int) -> None:
    columns = [column for column in COLUMNS if column not in IF_ANY or any(row[column] for row in rows)]
    print_table(columns, [[row[column] for column in columns] for row in rows], optional=OPTIONAL)
    statuses = [str(row["status"]) for row in rows]
    counts = [f"{statuses.count(status):,} {status}" for status in dict.fromkeys(statuses)]
    print_line(f"{counted(len(rows) + left, 'source')}: {', '.join(counts)}", file="stderr")
    if left:
        print_line(f"{left:,} not done yet: the same command goes on with them", file="stderr")
