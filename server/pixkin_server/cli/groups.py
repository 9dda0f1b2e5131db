"""Groups of commands: one that is not there is met with those that are near."""

from __future__ import annotations

import click


class Group(click.Group):
    """A group that lists its commands as they were added, and says which one may have been meant."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names as they were added, which is the order of their use."""
        del ctx
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that is called. Raises UsageError."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            from pixkin_proto.suggestions import did_you_mean

            ctx.fail(f"there is no command '{name}'{did_you_mean(name, self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)
