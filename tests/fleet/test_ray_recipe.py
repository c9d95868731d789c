"""An agent that Ray starts knows its server, has just what was asked for, and shows the token nowhere."""

from __future__ import annotations

from kinora.actors.jobs.engine import Needs
from kinora.fleet.local_start import decode_start
from kinora.fleet.ray.demand import Ask
from kinora.fleet.ray.kept import first_line
from kinora.fleet.ray.recipe import Recipe

ASK = Ask("ray-7f-1", Needs(job_id="j", plugins=(), cpus=2.0, gpus=1.0, resources={"card": 2.0}))
TOKEN = "kin_1"  # noqa: S105 - an example


def test_an_agent_elsewhere_gets_its_command_line_and_the_token_beside_it() -> None:
    """The node has its own settings."""
    begin = Recipe(url="http://10.0.0.5:8000", token=TOKEN).begin(ASK)
    assert (begin.cpus, begin.gpus, begin.resources) == (2.0, 1.0, {"card": 2.0})
    assert begin.arguments == (
        "--server=http://10.0.0.5:8000",
        "--name=ray-7f-1",
        "--places=1",
        "--cpus=2.0",
        "--resource=card=2.0",
    )
    assert begin.token == TOKEN
    assert begin.start == b""


def test_an_agent_on_the_server_s_machine_starts_with_the_server_s_settings() -> None:
    """All of it comes by its standard input."""
    begin = Recipe(url="http://127.0.0.1:8000", token=TOKEN, settings=b"{}").begin(ASK)
    assert (begin.arguments, begin.token) == ((), None)
    start = decode_start(begin.start)
    assert (start.name, start.token, start.settings) == ("ray-7f-1", TOKEN, b"{}")
    assert (start.places, start.cpus, start.resources) == (1, 2.0, {"card": 2.0})
    assert first_line(begin.start).count(b"\n") == 1


def test_an_agent_for_a_job_without_cores_does_not_claim_all_of_them() -> None:
    """Nothing would stand for that."""
    ask = Ask("ray-7f-1", Needs(job_id="j", plugins=(), cpus=0.0))
    assert "--cpus=0.0001" in Recipe(url="http://10.0.0.5:8000").begin(ask).arguments
