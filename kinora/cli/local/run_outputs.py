"""The files that ``kinora run`` is to write, looked at before it begins."""

from __future__ import annotations

from kinora.cli.exits import Misuse
from kinora.cli.flags.paths import real_path
from kinora.cli.local.annotating import check_kind
from kinora.cli.local.export_folder import ExportWish
from kinora.cli.local.results_formats import STDOUT, format_of
from kinora.cli.local.run_arguments import RunArguments


def check_outputs(wanted: RunArguments) -> None:
    """Refuse what cannot be written, before anything runs.

    Raises:
        Misuse: the sentence says what is wrong.
    """
    if wanted.jobs is not None:
        raise Misuse("--jobs is for many sources: give a folder for their results, --out-dir DIR")
    if wanted.as_json and wanted.out == STDOUT:
        raise Misuse("--json and --out - both write to stdout: give --out a file")
    if wanted.out is not None:
        format_of(wanted.out)
    if wanted.out is not None and wanted.annotate is not None and wanted.out.absolute() == wanted.annotate.absolute():
        raise Misuse("--out and --annotate write to the same file: give them different ones")
    for text in wanted.export:
        ExportWish.parse(text)
    if wanted.annotate is not None:
        check_kind(wanted.annotate)
    for written in filter(None, (wanted.out, wanted.annotate)):
        if not written.absolute().parent.is_dir():
            raise Misuse(f"The folder of {written} does not exist")
        if real_path(written) == real_path(wanted.source):
            raise Misuse(f"{written} is the source: write to another file")
