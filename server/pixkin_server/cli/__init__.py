"""The command line. Commands are imported when they are called, so that --help answers at once."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import NoReturn

import click

from pixkin_server.cli.groups import Group
from pixkin_server.cli.output import complain
from pixkin_server.cli.streams import ResultsLost, forget_results, prepare_streams

# command -> (module below this one, name there, one line for the list)
COMMANDS = {
    "open": ("open", "open_folder", "Search a folder by picture in the browser."),
    "export-model": ("export_model", "export_model", "Write an extractor file from a model's weights."),
    "inspect": ("inspect", "inspect", "Print what an extractor file says of itself, and check it."),
    "serve": ("serve", "serve", "Serve embedding and search over gRPC."),
    "index": ("index", "index", "Make, fill and look after collections."),
    "scripts": ("scripts", "scripts", "Painless scripts of an OpenSearch cluster."),
    "search": ("search", "search", "Find the pictures that look like a picture."),
    "evaluate": ("evaluate", "evaluate", "Measure how good the rankings of a collection are."),
    "whitening": ("whitening", "whitening", "Learn and attach PCA-whitenings."),
    "demo": ("demo", "demo", "See it work on real photos, through a server."),
    "opensearch": ("opensearch", "opensearch", "Run an OpenSearch for trying and testing."),
}


class Commands(Group):
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

    \b
    A first use:
      pixkin export-model efficientnet-lite0
      pixkin index create photos --extractor efficientnet-lite0
      pixkin index add photos FOLDER
      pixkin search photos PICTURE

    Results go to stdout, everything else to stderr. The exit status is 0, 1 for an error, 2 for a call that makes no
    sense, 3 when a part of the work was refused.
    """  # noqa: D301  # \b is click's mark for lines that it leaves as they are


def main() -> None:
    """Run the command line; an error is one line on stderr and an exit status that is not 0."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its own lines would stand before ours
    signal.signal(signal.SIGTERM, _terminated)  # a server that a command has started ends with it
    prepare_streams()
    try:
        status = pixkin.main(prog_name="pixkin", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        _show(error)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        complain("stopped")
        sys.exit(130)
    except ResultsLost as lost:
        forget_results()
        if not lost.reader_left:
            complain(str(lost))
        sys.exit(0 if lost.reader_left else 1)
    except Exception as error:  # one line in place of a traceback; PIXKIN_DEBUG shows that
        _explain(error)
    sys.exit(status if isinstance(status, int) else 0)


def _terminated(number: int, _: object) -> NoReturn:
    sys.exit(128 + number)


def _show(error: click.ClickException) -> None:
    if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):
        error.show()
        return
    context = getattr(error, "ctx", None)
    hint = f"; see: {context.command_path} --help" if context else ""
    complain(error.format_message().rstrip(".") + hint)


def _explain(error: Exception) -> NoReturn:
    from pixkin_proto.errors import OutOfMemory, PixkinError
    from pixkin_proto.memory import lacks_memory

    if not isinstance(error, PixkinError) and lacks_memory(error):
        error = OutOfMemory("this command")
    if isinstance(error, PixkinError):
        complain(f"{error.message} [{error.reason}]")
        sys.exit(1)
    if os.environ.get("PIXKIN_DEBUG"):
        raise error
    complain(f"internal error, {type(error).__name__}: {error} (PIXKIN_DEBUG=1 shows where)")
    sys.exit(70)
