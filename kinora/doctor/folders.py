"""The folders in the settings: there, readable or writable, with room, and on a file system that will do."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from kinora.data_folder import LOCK
from kinora.doctor.finding import Finding, failed, ok, warning
from kinora.settings import Settings
from kinora.settings.fields import MIB

SKEW_S = 2.0
"""The difference between the clocks of the machine and of a file system that is tolerated: some store whole seconds."""
SHARED = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "afs", "ceph", "glusterfs", "fuse.sshfs", "fuse.glusterfs"})
"""File systems of other machines, as the kernel calls them."""


def check_data_dir(settings: Settings) -> list[Finding]:
    """The folder of jobs and results. Blocks, for as long as its file system does not answer."""
    folder = settings.data_dir
    place = next(path for path in (folder, *folder.parents) if path.exists())
    if not stat.S_ISDIR(place.stat().st_mode):
        return [failed("data folder", f"{place} is not a folder", "choose another folder with --data-dir")]
    try:
        written = _write(place)
    except OSError as error:
        found = f"{place} cannot be written to ({error.strerror})"
        return [failed("data folder", found, f"make it writable for uid {os.geteuid()}, or choose another --data-dir")]
    state = ", made at the first start" if place != folder else ", where a server is at work" if in_use(folder) else ""
    return [*_faults(settings, place, written), _room(settings, place, f"{folder}{state}")]


def in_use(folder: Path) -> bool:
    """True if a server has locked this data folder. The lock is only looked up: taking it could hinder a start."""
    try:
        lock = (folder / LOCK).stat()
        locks = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return False
    own = f"{os.major(lock.st_dev):02x}:{os.minor(lock.st_dev):02x}:{lock.st_ino}"
    return any(own in line.split() for line in locks)


def _write(folder: Path) -> float:
    """Write a file without a name; return the seconds by which the file system's clock is ahead of the machine's."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"kinora")
        file.flush()
        os.fsync(file.fileno())
        return os.fstat(file.fileno()).st_mtime - time.time()


def _faults(settings: Settings, place: Path, ahead_s: float) -> Iterator[Finding]:
    owner = place.stat().st_uid
    if place == settings.data_dir and owner != os.geteuid():
        found = f"{place} belongs to uid {owner}, so it cannot be closed to other users"
        yield warning("data folder", found, f"run chown {os.geteuid()} {place}, or choose another --data-dir")
    if (kind := file_system(place)) in SHARED:
        found = f"{place} is on {kind}, where SQLite's log is not safe"
        yield warning("data folder", found, "choose a folder on a disk of this machine with --data-dir")
    if abs(ahead_s) > SKEW_S:
        found = f"the clock of its file system is {ahead_s:+.0f} s off"
        yield warning("data folder", found, "set both clocks, as by NTP")


def _room(settings: Settings, place: Path, name: str) -> Finding:
    free, floor = shutil.disk_usage(place).free // MIB, settings.min_free_bytes // MIB
    found = f"{name}: {free:,} MiB are free, the floor is {floor:,}"
    if free < floor:
        return failed("data folder", found, "free some space, or lower min_free_bytes: no job is accepted like this")
    return ok("data folder", found)


def file_system(place: Path, mounts: str | None = None) -> str:
    """The kind of file system that a path is on, by the text of /proc/self/mounts; empty if that does not tell."""
    text = Path("/proc/self/mounts").read_text(errors="replace") if mounts is None else mounts
    fields = [line.split() for line in text.splitlines()]
    around = [(point, kind) for _, point, kind, *_ in fields if place.absolute().is_relative_to(_unescaped(point))]
    return max(around, key=lambda mount: len(mount[0]), default=("", ""))[1]


def _unescaped(path: str) -> PurePosixPath:
    return PurePosixPath(path.replace(r"\040", " ").replace(r"\011", "\t").replace(r"\134", "\\"))


def check_other_folders(settings: Settings) -> list[Finding]:
    """The folders and files that are read. Blocks as :func:`check_data_dir`."""
    folders = {"media_dir": settings.media_dir, "models_dir": settings.models_dir, "plugins_dir": settings.plugins_dir}
    found = [_readable_folder(name, folder) for name, folder in folders.items() if folder is not None]
    return [*found, *(_readable_file(path) for path in settings.plugin_files)]


def _readable_folder(setting: str, folder: Path) -> Finding:
    check = setting.replace("_dir", " folder")
    mend = f"make it, or choose another one with --{setting.replace('_', '-')}"
    if not folder.is_dir():
        return failed(check, f"{folder} does not exist" if not folder.exists() else f"{folder} is not a folder", mend)
    if not os.access(folder, os.R_OK | os.X_OK):
        return failed(check, f"{folder} cannot be read", f"make it readable for uid {os.geteuid()}")
    return ok(check, str(folder))


def _readable_file(path: Path) -> Finding:
    if not os.access(path, os.R_OK):
        return failed("plugin file", f"{path} cannot be read", "mend plugin_files in the settings")
    return ok("plugin file", str(path))
