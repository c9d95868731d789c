"""Why a Ray cluster has no room for an agent, as a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Amounts = Mapping[str, float]
"""Ray's names of resources, such as ``CPU``, ``GPU`` → how much."""


def wanted_amounts(cpus: float, gpus: float, resources: Amounts) -> Amounts:
    """What an agent asks for by Ray's names, without what it asks nothing of."""
    return {name: amount for name, amount in {"CPU": cpus, "GPU": gpus, **resources}.items() if amount > 0}


def no_room(wanted: Amounts, nodes: Sequence[Amounts], free: Amounts) -> str:
    """Return the reason why no node has room.

    ``nodes`` is what each living node has in all, ``free`` what all of them together have left.
    """
    if not nodes:
        return "The Ray cluster has no nodes."
    asked = _listed(wanted)
    if not any(_covers(node, wanted) for node in nodes):
        lacking = {name for name in wanted if all(node.get(name, 0.0) < wanted[name] for node in nodes)} or set(wanted)
        largest = {name: max(node.get(name, 0.0) for node in nodes) for name in sorted(lacking)}
        return f"No node of the Ray cluster has {asked}: the most that one has is {_listed(largest)}."
    left = {name: min(free.get(name, 0.0), sum(node.get(name, 0.0) for node in nodes)) for name in wanted}
    return (
        f"No node of the Ray cluster has {asked} free: {_listed(left)} are free on its {_nodes(len(nodes))} together."
    )


def _covers(has: Amounts, wanted: Amounts) -> bool:
    return all(has.get(name, 0.0) >= amount for name, amount in wanted.items())


def _nodes(number: int) -> str:
    return "1 node" if number == 1 else f"{number} nodes"


def _listed(amounts: Amounts) -> str:
    """``2 CPUs, 1 GPU and 3 of camera``."""
    words = [_amount(name, amount) for name, amount in amounts.items()]
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def _amount(name: str, amount: float) -> str:
    if name not in {"CPU", "GPU"}:
        return f"{amount:g} of {name}"
    return f"{amount:g} {name}" if amount == 1 else f"{amount:g} {name}s"
