"""The folders that a command needs, looked at before it begins."""

from __future__ import annotations

import trio

from kinora.settings import Settings, require_folders

LOOK_S = 5.0
"""The time for the file system to answer; beyond it the command begins all the same, as a share may come back."""


async def require_existing(settings: Settings, *names: str) -> None:
    """Check that the folders in these settings exist.

    Raises:
        SettingsError: one does not, or is no folder.
    """
    with trio.move_on_after(LOOK_S):
        await trio.to_thread.run_sync(require_folders, settings, *names, abandon_on_cancel=True)
