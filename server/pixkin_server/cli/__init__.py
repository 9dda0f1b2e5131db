"""The command line. Commands are imported when they are called, so that --help answers at once."""

from __future__ import annotations

import importlib
import os
import sys

import click

# command -> (module below this one, name there, one line for the list)
COMMANDS = {
    "export-model": ("export_model", "export_model", "Write an extractor file from a model's weights."),
    "inspect": ("inspect", "inspect", "Print what an extractor file says of itself, and check it."),
    "serve": ("serve", "serve", "Serve embedding and search over gRPC."),
    "index": ("index", "index", "Make, fill and look after collections."),
    "search": ("search", "search", "Find the pictures that look like a picture."),
    "evaluate": ("evaluate", "evaluate", "Measure how good the rankings of a collection are."),
    "demo": ("demo", "demo", "See it work on real photos, through a server."),
}


class Commands(click.Group):
    """The commands of COMMANDS, imported one at a time."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of a first use."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, name, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(f"{__name__}.{module}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in COMMANDS.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="pixkin", prog_name="pixkin")
def pixkin() -> None:
    """Find the pictures that look like a picture.

    A first use: pixkin export-model efficientnet-lite0; pixkin index create photos --extractor efficientnet-lite0;
    pixkin index add photos FOLDER; pixkin search photos PICTURE.
    """


def main() -> None:
    """Run the command line; an error is one line on stderr and exit status 1."""
    from pixkin_proto.errors import PixkinError

    try:
        status = pixkin.main(standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except PixkinError as error:
        click.echo(f"pixkin: {error.message} [{error.reason}]", err=True)
        sys.exit(1)
    except Exception as error:
        if os.environ.get("PIXKIN_DEBUG"):
            raise
        click.echo(f"pixkin: internal error, {type(error).__name__}: {error} (PIXKIN_DEBUG=1 shows where)", err=True)
        sys.exit(70)
    sys.exit(status if isinstance(status, int) else 0)
