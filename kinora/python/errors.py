"""What goes wrong with a run, as exceptions whose text says what to do."""

from __future__ import annotations

from kinora.actors.errors import KinoraError
from kinora.client.errors import ClientError
from kinora.data_folder import DataDirInUse
from kinora.runtime.forking.workers import ForkServerGone
from kinora.runtime.supervisor import RestartIntensityExceeded
from kinora.settings import SettingsError

NO_TOKEN = 401
"""A server's answer without a token, or with one that it does not know."""
HOW_TO_GET_IN = 'give one as kinora.connect(url, token="kin_…"), or in KINORA_TOKEN or KINORA_TOKEN_FILE'
_EXPECTED = (KinoraError, ClientError, SettingsError, DataDirInUse, ForkServerGone, RestartIntensityExceeded)


class RunError(Exception):
    """A run cannot begin, or could not be carried through; ``str()`` of it is a sentence for people."""


class PluginFailed(RunError):
    """A plugin failed in a run with ``strict=True``."""

    def __init__(self, plugin: str, message: str, index: int | None = None) -> None:
        super().__init__(plugin, message, index)
        self.plugin = plugin
        self.message = message
        self.index = index
        """The frame on which it failed; None if that was before the first frame or after the last one."""

    def __str__(self) -> str:
        """The plugin, the frame and the reason."""
        place = "" if self.index is None else f" on frame {self.index}"
        return f"{self.plugin} failed{place}: {self.message}"


class PictureGone(RunError):
    """The picture of a frame was asked for after its turn of the loop."""


def as_run_error(error: BaseException) -> BaseException:
    """The error to raise for one of Kinora's parts: a RunError with its sentence, or an unexpected error itself."""
    if isinstance(error, BaseExceptionGroup):
        return as_run_error(error.exceptions[0])
    if isinstance(error, ClientError) and error.status == NO_TOKEN:
        return RunError(f"{error.detail.partition(':')[0]}: {HOW_TO_GET_IN}")
    return RunError(str(error)) if isinstance(error, _EXPECTED) else error
