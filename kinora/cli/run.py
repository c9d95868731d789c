"""``kinora run``: runs one source through plugins here, without a server."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import attrs
import click

from kinora.cli.flags import options
from kinora.cli.local.run_arguments import RunArguments
from kinora.cli.process.lean_imports import import_structlog
from kinora.preloading import launch_of
from kinora.runtime.forking.launching import Launched
from kinora.settings import Settings

MAX_AT_ONCE = 64
"""The most sources that are run at once."""


@click.command
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@options.plugins
@options.of_plugins
@options.device
@options.of_job
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Write the results: .jsonl or .ndjson has a line for each frame, .json one document, .csv the detections as a "
    "table; - is stdout, with lines.",
)
@click.option(
    "--annotate",
    type=click.Path(path_type=Path),
    help="Write the video with the detections drawn in, as its suffix says: .mp4, .mov, .mkv, .webm or .avi.",
)
@click.option(
    "--export",
    multiple=True,
    metavar="FORMAT=DIR",
    help="Write the detections for another program into a folder: coco, yolo, mot, cvat, or parquet. Again for others. "
    "With --out-dir it is the FORMAT alone, also csv, json or jsonl.",
)
@click.option(
    "--out-dir",
    type=click.Path(path_type=Path),
    help="Run many sources, and write the results of each into this folder. What an earlier run has done is passed "
    "over.",
)
@click.option(
    "--jobs",
    metavar="N",
    type=click.IntRange(1, MAX_AT_ONCE),
    help="With --out-dir, run so many sources at once.  [default: 2]",
)
@click.option("--show-output", is_flag=True, help="Show what the plugins print, as it comes.")
@click.option("--strict", is_flag=True, help="Exit with 3 if the job is done, but a plugin failed.")
@options.plugins_dir
@options.models_dir
@options.config
@options.as_json
@click.pass_context
def run(ctx: click.Context, /, config: Path | None, **arguments: Any) -> None:
    """Run a source, or many, through plugins here, without a server.

    SOURCE is a video, an image, a folder of images, an http(s) or rtsp(s) URL, camera:NAME for a camera of kinora.toml,
    webcam:0, or demo: for a bundled clip. With --out-dir there may be many, also patterns ('clips/*.mp4') and folders
    of videos. A plugin is given by its name, or by the path of a file that defines it:
    -p motion -p ./mine.py

    Exit codes: 0 the job is done, 1 it failed (of many: any), 2 wrong arguments or input, 3 only with --strict: it is
    done, but a plugin was disabled, has no result on any frame, or failed at the end; 130 interrupted.
    """
    flags = {name: arguments.pop(name) for name in ("plugins_dir", "models_dir")}
    job_options = options.job_options(arguments)
    given = {name: value for name, value in arguments.items() if name in attrs.fields_dict(RunArguments)}
    wanted = RunArguments(**given, job_options=job_options)
    settings = options.load({**flags, "realtime": False, **options.NO_DATA_DIR}, config)
    with launch_of(settings).start() as launched:
        ctx.exit(_run(settings, wanted, launched))


def _run(settings: Settings, wanted: RunArguments, launched: Launched) -> int:
    """Import what runs the job, while the process of the fork server imports what the workers need; then run it."""
    import_structlog()
    from kinora.cli.batch.sources import only_source  # noqa: PLC0415 - takes long, see above
    from kinora.cli.local.local_job import run_job  # noqa: PLC0415
    from kinora.cli.local.run_outputs import check_outputs  # noqa: PLC0415
    from kinora.cli.process.running import run_interruptible  # noqa: PLC0415
    from kinora.log import configure_logging  # noqa: PLC0415

    configure_logging("error")
    if wanted.out_dir is not None:
        return _run_many(settings, wanted, wanted.out_dir, launched)
    wanted = attrs.evolve(wanted, source=only_source(wanted.sources))
    check_outputs(wanted)
    return run_interruptible(partial(run_job, settings, wanted, launched))


def _run_many(settings: Settings, wanted: RunArguments, out_dir: Path, launched: Launched) -> int:
    from kinora.cli.batch.files import run_files  # noqa: PLC0415 - as above
    from kinora.cli.batch.outputs import OutFolder, forms_of  # noqa: PLC0415
    from kinora.cli.batch.sources import sources_of  # noqa: PLC0415
    from kinora.cli.process.running import run_interruptible  # noqa: PLC0415

    forms, sources = forms_of(wanted), sources_of(wanted.sources, each_video=True)
    with OutFolder.open(out_dir, forms) as out:
        return run_interruptible(partial(run_files, settings, wanted, sources, out, launched))
