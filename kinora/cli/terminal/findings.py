"""Prints what checks have found."""

from __future__ import annotations

from collections.abc import Sequence

from kinora.cli.terminal.output import counted, print_line, print_state, print_table
from kinora.doctor.finding import Finding


def print_findings(found: Sequence[Finding]) -> None:
    """Print a table, what mends each finding, and how many there are."""
    print_table(("check", "state", "found"), [(finding.check, finding.state, finding.found) for finding in found])
    for finding in found:
        if finding.mend:
            print_line(f"{finding.check}: {finding.mend}")
    print_count(found)


def print_finding(finding: Finding) -> None:
    """Print one finding, and what mends it, while others are still to come."""
    print_state(finding.state, f" {finding.check}: {finding.found}")
    if finding.mend:
        print_line(f"    {finding.mend}")


def print_count(found: Sequence[Finding]) -> None:
    """Print how many failures and warnings there are."""
    fails, warnings = (sum(finding.state == state for finding in found) for state in ("failed", "warning"))
    print_line(f"{counted(fails, 'failure')}, {counted(warnings, 'warning')}.")
