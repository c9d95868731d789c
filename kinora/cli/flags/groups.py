"""Names what was probably meant by a command or a flag that does not exist."""

from __future__ import annotations

import click

from kinora.nearest import nearest


class Group(click.Group):
    """A group of commands."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is named first; fail with the nearest one if there is none of this name."""
        name, known = args[0], self.list_commands(ctx)
        if name not in known and not name.startswith("-") and not ctx.resilient_parsing:
            raise click.UsageError(_no_such("command", name, known, ctx), ctx)
        return super().resolve_command(ctx, args)


def no_such_flag(error: click.NoSuchOption) -> str:
    """The sentence for a flag that the command does not have."""
    if error.ctx is None:
        return error.format_message()
    known = [flag for parameter in error.ctx.command.get_params(error.ctx) for flag in parameter.opts]
    return _no_such("flag", error.option_name, known, error.ctx)


def _no_such(what: str, name: str, known: list[str], ctx: click.Context) -> str:
    return f"There is no {what} {name!r}{nearest(name, known)}: see {ctx.command_path} --help"
