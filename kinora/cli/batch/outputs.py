"""The files with the results of many sources: each is in its place once it is complete, and not before."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Self

from kinora.actors.models import JobState
from kinora.cli.batch.record import FILE
from kinora.cli.exits import Failed, Misuse
from kinora.cli.local.export_folder import ExportFolder, ExportWish
from kinora.cli.local.results_file import ResultsFile
from kinora.cli.local.run_arguments import RunArguments
from kinora.results import parquet
from kinora.results.endings import ENDINGS, FOR_OTHERS
from kinora.results.exporter import ExportedJob

UNFINISHED = ".kinora-run.unfinished"
"""The folder of files that are being written."""
FORMS = ("jsonl", *ENDINGS)
"""All formats."""
DEFAULT_FORMS = ("jsonl",)


def forms_of(wanted: RunArguments) -> Sequence[str]:
    """The formats that are wanted, each once.

    Raises:
        Misuse: there is no such format, what it needs is not installed, or a file for one source was named.
    """
    for flag, path in (("--out", wanted.out), ("--annotate", wanted.annotate)):
        if path is not None:
            raise Misuse(f"{flag} is the file of one source: leave it out, and choose formats by --export")
    for form in wanted.export:
        if form not in FORMS:
            raise Misuse(f"--export {form}: with --out-dir write one of {', '.join(FORMS)}, as --export csv")
        if form == "parquet" and not parquet.is_there():
            raise Misuse(f"--export {form}: {parquet.MISSING}")
    return list(dict.fromkeys(wanted.export)) or DEFAULT_FORMS


class OutFolder:
    """The folder of all results."""

    def __init__(self, folder: Path, forms: Sequence[str]) -> None:
        self.folder = folder
        self.forms = forms

    @classmethod
    @contextmanager
    def open(cls, folder: Path, forms: Sequence[str]) -> Iterator[Self]:
        """Make the folder, and keep others from writing there while the block runs.

        Raises:
            Misuse: it cannot be made, or another run writes there.
        """
        with _locked(folder):
            shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
            try:
                yield cls(folder, forms)
            finally:
                shutil.rmtree(folder / UNFINISHED, ignore_errors=True)

    def places(self, name: str) -> list[Path]:
        """The files and folders with the results of the source that has this name."""
        return [self._place(name, form) for form in self.forms]

    def _place(self, name: str, form: str) -> Path:
        ending = ENDINGS.get(form, form).removesuffix(".zip")
        return self.folder / f"{name}.{ending}"

    @contextmanager
    def writing(self, name: str, state: JobState, job: ExportedJob) -> Iterator[list[ResultsFile]]:
        """Write the results of a job during the block; ``state`` is the job's first state.

        If its last state is done, they are put in their places, where they replace earlier ones.

        Raises:
            Failed: a file cannot be written; so do ``add`` and the end of the block.
        """
        unfinished = self.folder / UNFINISHED / name
        try:
            unfinished.mkdir(parents=True)
            with ExitStack() as files:
                results = [files.enter_context(ResultsFile.open(None, state))]
                for form in self.forms:
                    if form in FOR_OTHERS:
                        wish = ExportWish(form, unfinished / form)
                        results[0].exports.append(files.enter_context(ExportFolder.open(wish, job)))
                    else:
                        results.append(files.enter_context(ResultsFile.open(unfinished / f"all.{form}", state)))
                yield results
            if results[0].state.status == "done":
                for form in self.forms:
                    _put(unfinished, form, self._place(name, form))
        except OSError as error:
            raise Failed(f"{self.folder} cannot be written: {error.strerror or error}") from error
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def _locked(folder: Path) -> BinaryIO:
    """The record of the folder, which is locked as long as it is open."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / FILE).open("ab")
    except (FileExistsError, NotADirectoryError) as error:
        raise Misuse(f"--out-dir {folder} is a file, or in one: give a folder; it is made if there is none") from error
    except OSError as error:
        raise Misuse(f"--out-dir {folder} cannot be written: {error.strerror or error}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise Misuse(f"Another kinora run writes to {folder}: wait for it, or give another --out-dir") from error
    return lock


def _put(unfinished: Path, form: str, place: Path) -> None:
    """Move the results of one format to their place: one file, or the folder of several."""
    if form not in FOR_OTHERS:
        (unfinished / f"all.{form}").replace(place)
        return
    files = [*(unfinished / form).iterdir()]
    if not ENDINGS[form].endswith("zip") and len(files) == 1:
        files[0].replace(place)
        return
    if place.is_dir():
        shutil.rmtree(place)
    (unfinished / form).replace(place)
