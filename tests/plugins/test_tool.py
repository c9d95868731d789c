"""Plugins made from plain functions."""

import numpy as np
import pytest

from kinora.plugins import Frame, Plugin, tool
from kinora.plugins.testing import run_plugin


@tool
def bare(frame: Frame) -> dict[str, int]:
    """The index."""
    return {"index": frame.index}


@tool()
def called(frame: Frame) -> dict[str, int]:
    """The index."""
    return {"index": frame.index}


@tool(stateless=True)
def described(frame: Frame) -> dict[str, int]:
    """The index."""
    return {"index": frame.index}


@pytest.mark.parametrize("plugin", [bare, called, described])
def test_a_function_is_a_plugin_of_its_name(plugin: type[Plugin]) -> None:
    """Whether or not the decorator is called; the docstring describes it."""
    assert plugin.metadata.name in {"bare", "called", "described"}
    assert plugin.metadata.name == plugin.__name__
    assert plugin.metadata.description == "The index."
    assert plugin.metadata.stateless == (plugin is described)
    assert run_plugin(plugin, [np.zeros((2, 2, 3), np.uint8)]).results == [{"index": 0}]
