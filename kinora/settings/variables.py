"""Tells the variables that set something from those that do not, and from those of a service called ``kinora``."""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

from kinora.nearest import nearest
from kinora.settings.fields import Settings

ENV_PREFIX = "KINORA_"
ENV_OF_COMMANDS = frozenset({"KINORA_CONFIG", "KINORA_URL", "KINORA_TOKEN_FILE", "KINORA_CA_FILE"})
"""Variables that commands read themselves: the path of ``kinora.toml``, and what clients of a server need."""
_TOKEN, _SECRET = "KINORA_TOKEN", "kin_"
"""The variable that is a setting of the server; with a value that begins so, it is a token that clients show."""
_SERVICE_LINK = re.compile(
    r"KINORA(_SERVICE_HOST|_SERVICE_PORT(_\w+)?|_PORT_\d+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?|_NAME|_ENV_\w+)"
)
"""What Kubernetes and Docker call the variables that tell a container of a service called ``kinora``."""
_NEAR = 0.7
"""How much alike a wrong name and a right one must be, of 1, for the right one to be named."""
_SERVICE_ADDRESS = re.compile(r"(tcp|udp|sctp)://.+")
"""The value of such a service's ``KINORA_PORT``, which is no setting then."""
_NAMES = frozenset(field.name for field in attrs.fields(Settings))


def passed_over(env: Mapping[str, str]) -> list[str]:
    """A sentence for each ``KINORA_*`` variable that sets nothing, and one for all those of a service."""
    strangers = [name for name in sorted(env) if name.startswith(ENV_PREFIX) and not is_read(name, env[name])]
    links = [name for name in strangers if _is_service_link(name, env[name])]
    sentences = [_passed_over(name) for name in strangers if name not in links]
    if links:
        sentences.append(
            f"{', '.join(links)}: passed over, as Kubernetes and Docker set such variables for a service called kinora"
        )
    return sentences


def _passed_over(variable: str) -> str:
    known = [*(name.upper() for name in _NAMES), *(name.removeprefix(ENV_PREFIX) for name in ENV_OF_COMMANDS)]
    hint = nearest(variable.removeprefix(ENV_PREFIX), known, prefix=ENV_PREFIX, close=_NEAR)
    return f"{variable}: passed over, as there is no such setting{hint}"


def is_read(variable: str, value: str) -> bool:
    """Whether the variable means something to Kinora."""
    if is_of_commands(variable, value):
        return True
    return variable.removeprefix(ENV_PREFIX).lower() in _NAMES and not _is_service_link(variable, value)


def is_of_commands(variable: str, value: str) -> bool:
    """Whether commands read the variable themselves."""
    return variable in ENV_OF_COMMANDS or (variable == _TOKEN and value.startswith(_SECRET))


def _is_service_link(variable: str, value: str) -> bool:
    if variable == "KINORA_PORT":
        return _SERVICE_ADDRESS.fullmatch(value) is not None
    return _SERVICE_LINK.fullmatch(variable) is not None
