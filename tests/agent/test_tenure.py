"""The fork server of an agent over several tenures: it ends with each lease, and there is another one for the next."""

from __future__ import annotations

import pytest
import trio

from kinora.agent import tenure as tenure_module
from kinora.agent.tenure import Tenure
from kinora.runtime.clocks.boot_clock import boot_s
from kinora.runtime.forking.workers import ForkServer, WorkerGone
from kinora.runtime.supervisor import ChildSpec, Supervisor
from tests.runtime.targets import ECHO

LEASE_S = 0.2
TENURES = 6
"""More than the crashes in a minute after which a supervisor gives up."""
PLENTY_S = 60.0


async def test_leases_may_end_as_often_as_they_like(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often the server is not heard for the time of a lease, the agent has workers in the next tenure."""
    monkeypatch.setattr(tenure_module, "LEASE_S", LEASE_S)
    monkeypatch.setattr(tenure_module, "MARGIN_S", 0.0)
    forks = ForkServer()
    tenure = Tenure(forks)
    supervisor = Supervisor("agent", [ChildSpec(name="workers", run=tenure.keep_workers)])
    with trio.fail_after(PLENTY_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(supervisor.run)
            for _ in range(TENURES):
                async with forks.worker(ECHO, "echo") as talk:
                    assert await talk.ask("here") == "here"
                    await tenure.grant(boot_s())
                    with pytest.raises(WorkerGone):
                        await talk.receive()
                await tenure.begin_anew()
            assert [child.restarts for child in supervisor.statistics().children] == [0]
            supervisor.stop()
