"""A Ray cluster as the driver uses it. Needs Ray, which no process of the server but the driver imports."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import attrs
import ray

from kinora.fleet.ray.actor import AgentActor
from kinora.fleet.ray.room import Amounts
from kinora.fleet.ray.talk import Begin, cut
from kinora.fleet.ray.versions import misfit
from kinora.runtime.linux.machine import cores

OBJECT_STORE_BYTES = 80 * 2**20
"""The object store of an embedded Ray, about the least that it takes: nothing of Kinora goes through it."""


class NoCluster(Exception):
    """There is no cluster that can be used; the text is a sentence for users."""


@attrs.frozen
class Look:
    """What a cluster has at one time."""

    nodes: Sequence[Amounts]
    """The resources of each node that lives."""
    free: Amounts
    """Those of all nodes together that nothing has."""


class Agent:
    """An agent's actor, from the request for it on."""

    def __init__(
        self, begin: Begin, on_host: Callable[[Future[Any]], None], on_end: Callable[[Future[Any]], None]
    ) -> None:
        self._actor = (
            ray.remote(AgentActor)
            .options(
                num_cpus=begin.cpus,
                num_gpus=begin.gpus,
                resources=dict(begin.resources),
                max_restarts=0,
                max_task_retries=0,
                max_pending_calls=-1,
            )
            .remote()
        )
        self._actor.host.remote().future().add_done_callback(on_host)
        self._actor.run.remote(begin).future().add_done_callback(on_end)

    def kill(self) -> None:
        """End it, wherever it is; a request that has no room yet is withdrawn."""
        ray.kill(self._actor, no_restart=True)


def connect(address: str, folder: Path) -> str:
    """Join the cluster at ``address``, or start one of this machine if it is empty; return its address.

    ``folder`` is where the latter keeps its sockets and logs.

    Raises:
        NoCluster: there is none, or its versions do not fit.
    """
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "namespace": "kinora"}
    own: dict[str, Any] = {
        "num_cpus": cores(),
        "object_store_memory": OBJECT_STORE_BYTES,
        "include_dashboard": False,
        "_temp_dir": str(folder),
    }
    try:
        context = ray.init(address=address, **quiet) if address else ray.init(address="local", **quiet, **own)
    except Exception as error:  # Ray raises many kinds
        raise NoCluster(refusal(address, str(error))) from error
    return str(context.address_info["gcs_address"])


def refusal(address: str, error: str) -> str:
    """Return the reason, as a sentence, why there is no cluster."""
    what = f"The Ray cluster at {address} cannot be reached" if address else "Ray cannot be started on this machine"
    return misfit(error) or cut(f"{what}: {' '.join(error.split()) or 'it does not say why.'}")


def look() -> Look:
    """Ask the head of the cluster what it has; blocks while the head is away."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return Look(nodes, ray.available_resources())
