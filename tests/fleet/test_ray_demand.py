"""Ray is asked for what jobs that wait need, and gets back what nobody needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from kinora.actors.jobs.engine import Needs
from kinora.fleet.provider import Present
from kinora.fleet.ray.demand import CONNECT_S, MAX_AGENTS, MAX_COMING, Ask, Demand, Dismiss, GiveBack, Step
from kinora.fleet.ray.limits import refusal

IDLE_S = 60.0


def job(job_id: str = "j1", **needs: Any) -> Needs:
    """What a job needs: one core, unless it is told otherwise."""
    return Needs(job_id=job_id, plugins=("motion",), **needs)


class Cluster:
    """A Demand and what it decides on; the cluster is there."""

    def __init__(self, **choices: Any) -> None:
        self.demand = Demand("7f", IDLE_S, **choices)
        self.demand.up()
        self.now = 1000.0
        self.present: dict[str, int] = {}
        """The agents that are connected → their attempts."""

    def decide(self, *waiting: Needs) -> Sequence[Step]:
        """Decide now."""
        here = [Present(name=name, attempts=attempts) for name, attempts in self.present.items()]
        return self.demand.decide(waiting, here, self.now)

    def comes(self, *waiting: Needs, attempts: int = 1) -> str:
        """Have the one agent come that is asked for, and get its jobs; return its name."""
        (ask,) = self.decide(*waiting)
        assert isinstance(ask, Ask)
        self.demand.placed(ask.name, "node1", self.now)
        self.present[ask.name] = attempts
        assert not self.decide()
        return ask.name


def test_a_job_that_waits_gets_an_agent_with_just_what_it_needs_asked_for_once() -> None:
    """However often it is looked at."""
    cluster = Cluster()
    needs = job(cpus=2.0, gpus=1.0, resources={"camera": 1.0})
    assert cluster.decide(needs) == [Ask("ray-7f-1", needs)]
    assert cluster.decide(needs) == []
    assert cluster.demand.reasons["j1"] == "Ray is asked for an agent for it."


def test_a_job_waits_for_an_agent_with_more_than_it_needs_only_once_that_has_room() -> None:
    """A request that no node has room for would hold it up for ever."""
    cluster = Cluster()
    cluster.decide(job("j1", cpus=9.0))
    cluster.demand.pending("ray-7f-1", "No node has 9 CPUs.")
    assert cluster.decide(job("j2")) == [GiveBack("ray-7f-1"), Ask("ray-7f-2", job("j2"))]
    assert cluster.decide(job("j3")) == []
    cluster = Cluster()
    cluster.decide(job("j1", cpus=2.0))
    cluster.demand.placed("ray-7f-1", "node1", cluster.now)
    assert cluster.decide(job("j2")) == []
    assert cluster.decide(job("j2"), job("j3", cpus=4.0)) == [Ask("ray-7f-2", job("j3", cpus=4.0))]


def test_what_has_no_room_is_told_in_ray_s_words() -> None:
    """And once it has room, where the agent is being started."""
    cluster = Cluster()
    cluster.decide(job())
    cluster.demand.pending("ray-7f-1", "No node has 1 CPU free.")
    cluster.decide(job())
    assert cluster.demand.reasons["j1"] == "No node has 1 CPU free."
    cluster.demand.placed("ray-7f-1", "node2", cluster.now)
    cluster.decide(job())
    assert cluster.demand.reasons["j1"] == "Ray starts an agent for it on node2."


def test_a_request_is_withdrawn_if_its_job_waits_no_more_unless_the_agent_is_being_started() -> None:
    """That one comes and is kept warm."""
    cluster = Cluster()
    cluster.decide(job("j1"), job("j2"))
    cluster.demand.placed("ray-7f-1", "node1", cluster.now)
    assert cluster.decide() == [GiveBack("ray-7f-2")]
    assert cluster.decide() == []


def test_an_idle_agent_is_kept_for_a_while_and_then_sent_away() -> None:
    """The time counts from its last job on."""
    cluster = Cluster()
    name = cluster.comes(job())
    cluster.now += 1000
    assert cluster.decide() == []
    cluster.present[name] = 0
    assert cluster.decide() == []
    assert cluster.demand.next_at(cluster.now) == cluster.now + IDLE_S
    cluster.now += IDLE_S
    assert cluster.decide() == [Dismiss(name)]
    assert cluster.decide() == [Dismiss(name)]  # it may have stayed, with a new job
    cluster.demand.dismissed(name)
    assert cluster.decide() == []


def test_an_idle_agent_that_suits_is_no_reason_to_ask_for_another_one() -> None:
    """If the job does not get that one, as it lacks a plugin, another one would be no better."""
    cluster = Cluster()
    cluster.comes(job(), attempts=0)
    assert cluster.decide(job("j2")) == []
    assert cluster.demand.reasons.get("j2") is None


def test_an_idle_agent_gives_its_room_to_a_job_that_needs_more() -> None:
    """One at a time, the one that was idle for longest first."""
    cluster = Cluster()
    first = cluster.comes(job("j1"), attempts=0)
    cluster.now += 1
    second = cluster.comes(job("j2", cpus=2.0), attempts=0)
    large = job("j3", cpus=4.0)
    (ask,) = cluster.decide(large)
    cluster.demand.pending(ask.name, "No node has 4 CPUs free.")
    assert cluster.decide(large) == [Dismiss(first)]
    cluster.demand.dismissed(first)
    assert cluster.decide(large) == []
    del cluster.present[first]
    cluster.demand.ended(first, "It was not needed any more.", cluster.now)
    assert cluster.decide(large) == []  # Ray may have room now
    cluster.demand.pending(ask.name, "No node has 4 CPUs free.")
    assert cluster.decide(large) == [Dismiss(second)]


def test_an_agent_that_does_not_come_is_tried_again_with_growing_pauses() -> None:
    """A cluster without Kinora, or one that cannot reach the server, is not kept busy by it."""
    cluster = Cluster()
    pauses = []
    for _ in range(7):
        (ask,) = cluster.decide(job())
        cluster.demand.ended(ask.name, "Kinora is missing.", cluster.now)
        assert cluster.decide(job()) == []
        pauses.append(cluster.demand.next_at(cluster.now) - cluster.now)
        cluster.now += pauses[-1]
    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    cluster.now -= 1
    cluster.decide(job())
    assert "Kinora is missing." in cluster.demand.reasons["j1"]
    cluster.now += 1
    cluster.comes(job())
    (ask,) = cluster.decide(job("j2"))
    cluster.demand.ended(ask.name, "Kinora is missing.", cluster.now)
    cluster.decide(job("j2"))
    assert cluster.demand.next_at(cluster.now) == cluster.now + 1


def test_an_agent_that_was_started_and_does_not_reach_the_server_is_given_back() -> None:
    """Such as on a node that the server's address means nothing to."""
    cluster = Cluster()
    (ask,) = cluster.decide(job())
    cluster.demand.placed(ask.name, "node3", cluster.now)
    cluster.decide(job())
    cluster.now = cluster.demand.next_at(cluster.now)
    assert cluster.decide(job()) == [GiveBack(ask.name)]
    assert "node3" in cluster.demand.reasons["j1"]
    assert CONNECT_S > 1


def test_an_agent_that_was_lost_is_given_back_and_its_job_gets_a_new_one() -> None:
    """At once: it had been here."""
    cluster = Cluster()
    name = cluster.comes(job())
    cluster.present.clear()
    assert cluster.decide(job()) == [GiveBack(name), Ask("ray-7f-2", job())]


def test_without_a_cluster_nothing_is_asked_for_and_agents_work_on() -> None:
    """They are sent away when they are idle, as nobody would give them back any more."""
    cluster = Cluster()
    name = cluster.comes(job())
    cluster.demand.down("The head does not answer. It is tried again.")
    assert cluster.decide(job("j2")) == []
    assert cluster.demand.reasons["j2"] == "The head does not answer. It is tried again."
    cluster.demand.up()
    assert cluster.decide(job("j2")) == [Ask("ray-7f-2", job("j2"))]
    cluster.present[name] = 0
    assert Dismiss(name) in cluster.decide(job("j2"))


def test_agents_and_requests_are_bounded() -> None:
    """The other jobs wait, and are told so."""
    cluster = Cluster()
    many = [job(f"j{number}") for number in range(MAX_COMING + 1)]
    assert len(cluster.decide(*many)) == MAX_COMING
    assert str(MAX_COMING) in cluster.demand.reasons[f"j{MAX_COMING}"]
    cluster = Cluster()
    for _ in range(MAX_AGENTS):
        cluster.comes(job())
    assert cluster.decide(job()) == []
    assert str(MAX_AGENTS) in cluster.demand.reasons["j1"]


def test_nothing_is_asked_for_where_it_would_not_help() -> None:
    """Pushed pictures run in the server; files of this machine need an agent of this machine."""
    here, pushed = job(where="this_machine"), job(where="server")
    assert Cluster().decide(here, pushed) == []
    assert Cluster(shares_files=True).decide(here, pushed) == [Ask("ray-7f-1", here)]


def test_agents_of_others_are_left_alone() -> None:
    """Those of an operator, and those that another server's Ray has started."""
    cluster = Cluster()
    cluster.present.update({"atelier": 0, "ray-80-1": 0})
    assert cluster.decide() == []


@pytest.mark.parametrize(
    ("needs", "word"),
    [
        (job(gpus=1.5), "gpus"),
        (job(cpus=0.00001), "cpus"),
        (job(resources={"memory": 1.0}), "memory"),
        (job(resources={"card": 0.00005}), "card"),
    ],
)
def test_what_ray_takes_no_request_for_is_refused_with_a_sentence(needs: Needs, word: str) -> None:
    """Such a job would wait for ever."""
    assert word in (refusal(needs, shares_files=True) or "")


def test_a_source_of_the_server_s_machine_needs_an_agent_there() -> None:
    """Those of a cluster are elsewhere."""
    assert "--agents 1" in (refusal(job(where="this_machine"), shares_files=False) or "")


def test_parts_of_cores_and_gpus_and_resources_of_one_s_own_can_be_asked_for() -> None:
    """As Ray counts them."""
    assert refusal(job(cpus=1.5, gpus=0.25, resources={"card": 2.5}), shares_files=True) is None


def test_an_agent_that_does_not_come_holds_up_no_other_job() -> None:
    """Only the one that it was asked for pauses."""
    cluster = Cluster()
    (ask,) = cluster.decide(job("j1", resources={"broken": 1.0}))
    cluster.demand.ended(ask.name, "Kinora is missing.", cluster.now)
    assert cluster.decide(job("j1", resources={"broken": 1.0}), job("j2")) == [Ask("ray-7f-2", job("j2"))]
