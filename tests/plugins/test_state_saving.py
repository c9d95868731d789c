"""How often a plugin's state is saved."""

from __future__ import annotations

import select

import pytest

from kinora.plugins.api import Frame, Plugin, PluginMetadata
from kinora.plugins.state_saving import StateSaving
from kinora.runtime.shared_memory.state_memory import StateKeeper, StateMemory

FRAMES = 100


class Waits(Plugin):
    """Its state comes from somewhere that lets it wait, as a GPU may."""

    metadata = PluginMetadata(name="waits")
    waits_ms = 0
    saved = 0

    def process_frame(self, frame: Frame) -> None:
        """Do nothing."""

    def save_state(self) -> bytes:
        """Wait, and count."""
        select.select([], [], [], self.waits_ms / 1000)
        self.saved += 1
        return b"state"


@pytest.mark.parametrize(("waits_ms", "saves"), [(0, FRAMES), (30, 1)])
def test_the_time_for_which_a_save_waits_counts(waits_ms: int, saves: int) -> None:
    """A save that takes long by the clock alone would make each frame take longer."""
    plugin, memory = Waits(), StateMemory()
    plugin.waits_ms = waits_ms
    saving = StateSaving(plugin, StateKeeper(memory.fd))
    for index in range(FRAMES):
        assert saving.after_frame(index, 0.1) is None
    assert plugin.saved == saves
    memory.close()
