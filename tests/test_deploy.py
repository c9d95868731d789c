"""What is in ``deploy/`` fits the server: its settings, its addresses, its limits, its user."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from kinora.cli.agent import agent
from kinora.cli.serve import LAST_S
from kinora.settings import Settings, load_settings, passed_over
from kinora.web.openapi.document import api_document

DEPLOY = Path(__file__).parents[1] / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
STOP_S = Settings().shutdown_grace_s + LAST_S
"""The longest stop of a server, after which whoever stops it may kill it."""


def unit() -> dict[str, list[str]]:
    """The assignments of the systemd unit."""
    found: dict[str, list[str]] = {}
    for line in (DEPLOY / "kinora.service").read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def resources() -> dict[str, Any]:
    """The Kubernetes objects by kind."""
    return {each["kind"]: each for each in yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())}


def pod() -> dict[str, Any]:
    """The specification of the Kubernetes pod."""
    return dict(resources()["Deployment"]["spec"]["template"]["spec"])


def service() -> dict[str, Any]:
    """The service of the compose file."""
    return dict(yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["kinora"])


def environments() -> Iterator[Mapping[str, str]]:
    """The variables that each of the files sets, also in a comment."""
    yield dict(re.findall(r"(KINORA_\w+)=(\S+)", DOCKERFILE))
    yield dict(text.split("=", 1) for text in unit()["Environment"])
    yield {each["name"]: each["value"] for each in pod()["containers"][0]["env"]}
    yield dict(re.findall(r"(KINORA_\w+): (\S+)", (DEPLOY / "compose.yaml").read_text()))


def agents() -> dict[str, Any]:
    """The Deployment of agents."""
    return dict(yaml.safe_load((DEPLOY / "kubernetes-agents.yaml").read_text()))


@pytest.mark.parametrize("environment", list(environments()))
def test_each_variable_is_a_setting(environment: Mapping[str, str]) -> None:
    """None is passed over, and the values can be read."""
    assert passed_over(environment) == []
    assert any(name.startswith("KINORA_") for name in environment)
    load_settings({}, environment)


def test_a_polite_stop_has_time() -> None:
    """Nobody kills the server before its own limits have ended it."""
    assert int(unit()["TimeoutStopSec"][0]) > STOP_S
    assert int(service()["stop_grace_period"].removesuffix("s")) > STOP_S
    assert pod()["terminationGracePeriodSeconds"] > STOP_S


def test_the_unit_leaves_workers_to_the_server() -> None:
    """SIGTERM goes to the server alone, and a worker that the kernel kills does not end the service."""
    assert unit()["Type"] == ["notify"]
    assert unit()["KillMode"] == ["mixed"]
    assert unit()["OOMPolicy"] == ["continue"]


def test_confinement_is_allowed_by_the_unit() -> None:
    """The filter of system calls has those by which programs that decode media give up their rights."""
    allowed = unit()["SystemCallFilter"][0].split()
    assert {"seccomp", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"} <= set(allowed)


def test_containers_run_as_the_user_of_the_image() -> None:
    """The same number everywhere, and a root file system that is only read."""
    assert "USER 10001:10001" in DOCKERFILE
    security, container = pod()["securityContext"], pod()["containers"][0]["securityContext"]
    assert {security["runAsUser"], security["runAsGroup"], security["fsGroup"]} == {10001}
    assert security["runAsNonRoot"]
    assert container["readOnlyRootFilesystem"]
    assert container["capabilities"] == {"drop": ["ALL"]}
    assert service()["read_only"]


def test_probes_ask_for_addresses_that_there_are() -> None:
    """Health says that the server lives, readiness that it takes jobs."""
    container = pod()["containers"][0]
    probes = {kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")}
    assert probes == {"startup": "/v1/health", "liveness": "/v1/health", "readiness": "/v1/ready"}
    assert set(probes.values()) <= api_document()["paths"].keys()
    assert "/v1/health" in DOCKERFILE


def test_kubernetes_sets_no_variable_for_its_service() -> None:
    """One server at a time has the data, and it gets no ``KINORA_PORT=tcp://…``."""
    assert pod()["enableServiceLinks"] is False
    assert resources()["Deployment"]["spec"]["replicas"] == 1
    assert resources()["Deployment"]["spec"]["strategy"] == {"type": "Recreate"}


def test_agents_run_as_the_server_does_and_reach_it() -> None:
    """The same image, user and rights; they have time for their end, and know the name of the service."""
    spec = agents()["spec"]["template"]["spec"]
    (container,), (of_server,) = spec["containers"], pod()["containers"]
    assert {name: container[name] for name in ("image", "securityContext")} == {
        name: of_server[name] for name in ("image", "securityContext")
    }
    assert spec["securityContext"] == {
        name: value for name, value in pod()["securityContext"].items() if name != "fsGroupChangePolicy"
    }
    assert spec["terminationGracePeriodSeconds"] > STOP_S
    assert spec["enableServiceLinks"] is False
    assert f"--server=http://{resources()['Service']['metadata']['name']}" in container["args"]
    command, *flags = container["args"]
    known = {flag for parameter in agent.params for flag in parameter.opts}
    assert (command, {flag.partition("=")[0] for flag in flags} - known) == ("agent", set())
