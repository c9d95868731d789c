"""What is said of a Ray cluster is a sentence that tells what to do, or what the cluster has."""

from __future__ import annotations

from typing import Any

import pytest

from kinora.fleet.ray.actor import End, agent_environment
from kinora.fleet.ray.deaths import died, ended
from kinora.fleet.ray.driver import environment
from kinora.fleet.ray.room import no_room, wanted_amounts
from kinora.fleet.ray.talk import MAX_REASON, Begin
from kinora.fleet.ray.versions import misfit

NODES = [{"CPU": 4.0, "memory": 1e9}, {"CPU": 8.0, "GPU": 1.0}]


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (
            wanted_amounts(16, 0, {}),
            "No node of the Ray cluster has 16 CPUs: the most that one has is 8 CPUs.",
        ),
        (
            wanted_amounts(1, 1, {"scanner": 2}),
            "No node of the Ray cluster has 1 CPU, 1 GPU and 2 of scanner: the most that one has is 0 of scanner.",
        ),
        (
            wanted_amounts(8, 0, {}),
            "No node of the Ray cluster has 8 CPUs free: 5 CPUs are free on its 2 nodes together.",
        ),
    ],
)
def test_the_reason_for_no_room_names_what_the_cluster_has(wanted: dict[str, float], reason: str) -> None:
    """What no node has at all, else what is free."""
    assert no_room(wanted, NODES, {"CPU": 5.0, "GPU": 1.0}) == reason


def test_nodes_that_have_each_part_but_not_all_of_it_are_told_too() -> None:
    """No single resource is short then."""
    reason = no_room({"CPU": 1.0, "GPU": 1.0}, [{"CPU": 4.0}, {"GPU": 1.0}], {})
    assert reason == "No node of the Ray cluster has 1 CPU and 1 GPU: the most that one has is 4 CPUs and 1 GPU."


def test_versions_that_differ_are_told_with_what_to_install() -> None:
    """Ray's own error says it in six lines."""
    error = (
        "Version mismatch: The cluster was started with:\n    Ray: {}\n    Python: {}\n"
        "This process on node 10.0.0.1 was started with:\n    Ray: 2.60.0\n    Python: 3.11.7\n"
    )
    assert misfit(error.format("2.58.1", "3.11.7")) == (
        "The Ray cluster has Ray 2.58.1 and this server Ray 2.60.0; they must be the same:"
        " pip install 'ray==2.58.1' here."
    )
    assert misfit(error.format("2.60.0", "3.12.1")) == (
        "The Ray cluster has Python 3.12.1 and this server Python 3.11.7; they must be the same:"
        " run the server with Python 3.12.1."
    )
    assert misfit("Could not connect") is None


def test_the_end_of_an_agent_is_told_by_its_last_line_or_by_ray() -> None:
    """A long text is cut."""
    assert ended(End(2, "x\nkinora: No server.\n\n")) == "The agent ended with exit code 2: kinora: No server."
    assert ended(End(0, "")) == "The agent ended with exit code 0."
    assert died("The actor died.\n\tThe actor is dead because its node has died. Node Id: 7") == "Its node was lost."
    assert died("… The actor is dead because it was killed by `ray.kill`. ") == (
        "Ray says that it was killed by `ray.kill`."
    )
    assert "install it there" in died("ModuleNotFoundError: No module named 'kinora.fleet'")
    assert len(died("x" * 10_000)) <= MAX_REASON + 20


def begin(**parts: Any) -> Begin:
    """An agent with one core."""
    return Begin(**{"name": "ray-1", "cpus": 1.0, "gpus": 0.0, "resources": {}, "arguments": (), **parts})


def test_the_token_is_in_the_environment_of_the_agent_only_and_ray_s_variables_are_not() -> None:
    """The agent's own settings stay."""
    inherited = {"RAY_AUTH_TOKEN": "1", "KINORA_TOKEN": "of another", "KINORA_PLUGINS_DIR": "/p"}
    assert agent_environment(inherited, begin(gpus=1.0)) == {"KINORA_PLUGINS_DIR": "/p"}
    with_token = agent_environment(inherited, begin(token="kin_1"))  # noqa: S106 - an example
    assert with_token.items() >= {"KINORA_TOKEN": "kin_1"}.items()


def test_an_agent_sees_no_gpu_that_it_has_not_asked_for() -> None:
    """Ray hides all others from it only if it has asked for one."""
    assert agent_environment({}, begin())["CUDA_VISIBLE_DEVICES"] == ""
    assert agent_environment({"CUDA_VISIBLE_DEVICES": "3"}, begin(gpus=0.5))["CUDA_VISIBLE_DEVICES"] == "3"


def test_a_ray_of_our_own_takes_nobody_else_s_commands_and_reports_nothing() -> None:
    """It listens on all addresses: without a token, others on the network could run code in it."""
    ours = environment({"RAY_ADDRESS": "elsewhere:1"}, "")
    assert ours["RAY_AUTH_MODE"] == "token"
    assert environment({}, "").items() ^ environment({}, "").items()  # each has another one
    assert "RAY_ADDRESS" not in ours
    joined = environment({"RAY_AUTH_TOKEN": "theirs"}, "auto")
    assert joined.items() >= {"RAY_AUTH_TOKEN": "theirs"}.items()
    assert ours["RAY_USAGE_STATS_ENABLED"] == joined["RAY_USAGE_STATS_ENABLED"] == "0"
