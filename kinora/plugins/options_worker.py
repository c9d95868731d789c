"""The program of the worker that checks the options of a request, and what it shares with a plugin's worker.

No plugin is imported. A check that never ends is ended by the server.
"""

from __future__ import annotations

import msgspec

from kinora.plugins.api import PluginMetadata
from kinora.plugins.option_errors import OptionsError
from kinora.plugins.options import check_options, schema_fault
from kinora.plugins.protocol import OPTIONS_CHECKER, CheckOptions, CheckSchema, OptionsChecked, SchemaFaulty
from kinora.runtime.forking.channel import Channel
from kinora.runtime.forking.program import Line, serve


def main(channel: Channel) -> None:
    """Check the options that the server asks about."""
    serve(Line(OPTIONS_CHECKER, channel), lambda request, _fds: [check(request)])


def check(request: CheckOptions) -> OptionsChecked:
    """Check options against a ``config_schema``."""
    metadata = PluginMetadata(name=request.plugin, config_schema=msgspec.json.decode(request.schema))
    try:
        filled = check_options(metadata, msgspec.json.decode(request.options))
    except OptionsError as error:
        return OptionsChecked(errors=error.errors, total=error.total)
    return OptionsChecked(filled=msgspec.json.encode(filled))


def check_schema(request: CheckSchema) -> OptionsChecked | SchemaFaulty:
    """Check a ``config_schema``, and then no options against it."""
    if fault := schema_fault(msgspec.json.decode(request.schema)):
        return SchemaFaulty(fault)
    return check(CheckOptions(plugin=request.plugin, schema=request.schema, options=b"{}"))
