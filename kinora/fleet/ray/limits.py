"""What Ray cannot be asked for, said when a job is submitted."""

from __future__ import annotations

from kinora.actors.jobs.engine import Needs

LEAST = 0.0001
"""The smallest part of anything that Ray counts."""
_RAY_S_OWN = frozenset({"CPU", "GPU", "memory", "object_store_memory"})


def refusal(needs: Needs, *, shares_files: bool) -> str | None:
    """Return, as a sentence, why Ray would take no request with these needs; None if it takes them.

    ``shares_files`` is true if all its agents are on the server's machine.
    """
    if needs.where == "this_machine" and not shares_files:
        return "Its source is of the server's machine, and Ray's agents are on others: start one here with --agents 1."
    if needs.gpus > 1 and needs.gpus % 1:
        return f"Ray gives several GPUs only whole: ask for gpus 1, 2 or a part of one, not {needs.gpus:g}."
    for name in needs.resources:
        if name in _RAY_S_OWN or "bundle" in name:
            return f"Ray has a meaning of its own for the resource {name}: ask for cpus and gpus, or name another one."
    for name, amount in {"cpus": needs.cpus, "gpus": needs.gpus, **needs.resources}.items():
        if 0 < amount < LEAST or round(amount, 4) != amount:
            return f"Ray counts in steps of {LEAST}: ask for another amount of {name} than {amount:g}."
    return None
