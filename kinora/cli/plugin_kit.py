"""``kinora plugins new``: what helps to write a plugin."""

from __future__ import annotations

from pathlib import Path

import click

from kinora.cli.exits import Misuse
from kinora.cli.output import print_line
from kinora.kit.new_plugin import NotNewError, new_plugin, write_files


@click.command("new")
@click.argument("name")
@click.option("--file", "is_file", is_flag=True, help="Write one file, without tests and what an installation needs.")
def new(name: str, is_file: bool) -> None:
    """Write the first files of a plugin into the current folder: a package with tests that can be installed."""
    try:
        plugin = new_plugin(name)
        files = plugin.module_files() if is_file else plugin.package_files()
        write_files(Path(), files)
    except (NotNewError, OSError) as error:
        raise Misuse(f"No plugin {name!r} is made: {error}") from error
    for path in files:
        print_line(str(path))
    given = f"./{plugin.module}.py" if is_file else f"./{name}/{plugin.module}"
    print_line(f"Try it:   kinora run demo: -p {given}")
    print_line(f"Check it: kinora plugins check {given}")
