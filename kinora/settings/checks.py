"""What is checked of the settings before a server or a command begins, and what is derived from them."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from kinora.actors.webhooks.webhook import read_secret
from kinora.media.live.placed_camera import others_can_read, read_password, unreadable, why_unreadable
from kinora.media.source_names import CAMERA
from kinora.media.source_types import SourceLimits
from kinora.settings.fields import Settings, SettingsError


def source_limits(settings: Settings) -> SourceLimits:
    """The limits on sources in these settings."""
    folders = () if settings.follow_links else (str(settings.media_dir.absolute()), str(settings.data_dir.absolute()))
    return SourceLimits(max_pixels=settings.max_pixels, url_hosts=settings.url_hosts, folders=folders)


def password_faults(settings: Settings) -> list[str]:
    """What is wrong with the password files of cameras, a sentence each. Blocks, as long as a disk does not answer."""
    faults = []
    for name, camera in settings.cameras.items():
        if (path := camera.password_file) is None:
            continue
        try:
            read_password(path)
        except (OSError, ValueError) as error:
            faults.append(f"{unreadable(f'{CAMERA}{name}')} ({why_unreadable(error)}): put it into {path}")
        if others_can_read(path):
            faults.append(f"Everyone on this machine can read {path}: chmod o= {path}")
    return faults


def secret_faults(settings: Settings) -> list[str]:
    """What is wrong with the secret files of webhooks, a sentence each. Blocks, as long as a disk does not answer."""
    faults = []
    for name, webhook in settings.webhooks.items():
        if (path := webhook.secret_file) is None:
            continue
        try:
            read_secret(path)
        except (OSError, ValueError) as error:
            faults.append(f"The secret of {name} cannot be read ({why_unreadable(error)}): put it into {path}")
        if others_can_read(path):
            faults.append(f"Everyone on this machine can read {path}: chmod o= {path}")
    return faults


def require_usable_paths(settings: Settings) -> None:
    """Check that all folders and files can be named to the file system, and in messages to workers.

    Raises:
        SettingsError: one cannot, as with an umlaut where the locale is ASCII.
    """
    paths = (settings.data_dir, settings.media_dir, settings.models_dir, settings.plugins_dir, *settings.plugin_files)
    for path in filter(None, paths):
        try:
            os.fsencode(path)
            str(path).encode()
        except UnicodeEncodeError as error:
            raise SettingsError(
                f"The name {path} cannot be used, as names of files are {sys.getfilesystemencoding()} here: "
                "set LC_ALL=C.UTF-8, or choose another name."
            ) from error


def require_folders(settings: Settings, *names: str) -> None:
    """Check that the folders in these settings are there. Blocks, for as long as a file system does not answer.

    Raises:
        SettingsError: one is not.
    """
    for name in names:
        folder = getattr(settings, name)
        if folder is not None and (fault := _fault_of_folder(folder)):
            flag = f"--{name.replace('_', '-')}"
            raise SettingsError(f"{folder} {fault}: name another folder as {name} or with {flag}, or make it.")


def _fault_of_folder(folder: Path) -> str | None:
    try:
        return None if stat.S_ISDIR(folder.expanduser().stat().st_mode) else "is not a folder"
    except OSError as error:
        return "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
