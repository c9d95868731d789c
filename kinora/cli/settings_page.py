"""docs/settings.md, made from the settings; ``python -m kinora.cli.settings_page FILE`` writes it to FILE."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs
import click

from kinora.cli.serve import serve
from kinora.settings import Settings
from kinora.settings.conversion import KIND_NAMES
from kinora.settings.fields import GIB, MIB
from kinora.settings.tables import class_of_tables, kinds_in
from kinora.settings.values import KINDS
from kinora.settings.variables import ENV_PREFIX
from kinora.web.openapi.field_docs import field_docs

HEAD = """\
# Settings

Made from `Settings` in kinora/settings/fields.py by `make settings-page`.

Each setting can be given in four places. Flags of `kinora serve` win over `KINORA_*` variables, these over the file
`kinora.toml`, that over defaults; a value that something else wins over may be wrong. `kinora config show` tells the
value of each here, and where it comes from.

The file is the one that `--config` or `KINORA_CONFIG` names, else `kinora.toml` in the current folder. Its keys are the
names below: `max_jobs = 4`, `url_hosts = ["camera.local"]`. Relative paths in it begin at its folder. In variables and
flags lists are separated by commas: `KINORA_URL_HOSTS=camera.local,files.example`. Sizes are in bytes or have a unit:
`keep_bytes = "50G"`, `KINORA_KEEP_BYTES=50G`; `50G` and `50GiB` are 50 times 1024³ bytes, `50GB` 50 times 1000³. A
variable that names no setting is passed over with a warning, as are those that Kubernetes and Docker set for a service
called `kinora` (`KINORA_PORT=tcp://…`). Tables, such as `[cameras.front]`, stand in the file alone.
"""


def settings_page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *_sections()])


def _sections() -> Iterable[str]:
    docs, flags = field_docs(Settings), _flags()
    for field in attrs.fields(Settings):
        text = _in_markdown(docs[field.name])
        if (tables := class_of_tables(KINDS[field.name])) is not None:
            yield f"## {field.name}\n\n{text}\n\n{_keys(tables)}\n"
            continue
        places = [*flags.get(field.name, ()), ENV_PREFIX + field.name.upper()]
        facts = (KIND_NAMES[KINDS[field.name]], f"default: {_default(field)}", *(f"`{place}`" for place in places))
        yield f"## {field.name}\n\n{text}\n\n{' · '.join(facts)}\n"


def _keys(tables: type[attrs.AttrsInstance]) -> str:
    """What may stand in each of a setting's tables."""
    docs = field_docs(tables)
    rows = [
        f"| `{name}` | {KIND_NAMES[kind]} | {_in_markdown(docs[name])} |" for name, kind in kinds_in(tables).items()
    ]
    return "\n".join(["| key | value | |", "|---|---|---|", *rows])


def _in_markdown(text: str) -> str:
    return " ".join(text.replace("``", "`").split())


def _flags() -> Mapping[str, Iterable[str]]:
    """Setting → the flags of ``kinora serve`` that set it."""
    return {option.name: option.opts for option in serve.params if isinstance(option, click.Option) and option.name}


def _default(field: attrs.Attribute[Any]) -> str:
    """The default as Markdown; one that the machine decides in the words of the function that finds it."""
    if (found := getattr(field.default, "factory", None)) is not None:
        words = (found.__doc__ or "").partition("\n")[0].rstrip(".").replace("``", "`")
        return words[:1].lower() + words[1:]
    match field.default:
        case None | ():
            return "none"
        case bool(value):
            return f"`{str(value).lower()}`"
        case int(value) if value and value % MIB == 0:
            return f"`{value}`, " + (f"{value // GIB} GiB" if value % GIB == 0 else f"{value // MIB} MiB")
        case value:
            return f"`{value}`"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(settings_page(), encoding="utf-8")
