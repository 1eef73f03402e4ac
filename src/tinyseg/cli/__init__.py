"""The command line: one thin command a verb, a file each. Work is done in the rooms; here words
become calls.

Results go to standard output, everything else to standard error. Bad input ends with exit status
2 and one line that names file, place and rule; Ctrl-C with 130, and what was finished is kept.
"""

import sys
from importlib import import_module
from typing import Any

import typer
from rich.markup import escape

from tinyseg.errors import TinysegError
from tinyseg.progress import console

VERBS = {
    "synth": ("synth", "Render street scenes with exact labels."),
    "convert": ("convert", "Write a data set in another format."),
    "train": ("train", "Train a network, or continue an interrupted run."),
    "recipe": ("recipe", "Print a recipe's keys with values, types and meaning."),
    "weights": ("weights", "List the weights that have a name."),
    "predict": ("predict", "Find the instances of pictures, folders, lists and videos."),
    "calibrate": ("calibrate", "Fit scores to how often they are right."),
    "doctor": ("doctor", "Find faults in a data set, and say what would help."),
    "evaluate": ("evaluate", "Score predictions against labels."),
    "report": ("report", "Write an HTML page of figures, errors and frames."),
    "submit": ("submit", "Write or check the WAD challenge's CSV."),
    "export": ("export", "Write weights to give away, or for another runtime."),
    "serve": ("serve", "Serve predictions over HTTP, with a web page."),
    "show": ("show", "Draw labels, predictions, or the views of a plan."),
}
"""The verbs, each with its module in this folder and a line for the list of them. A verb's function
has the verb's name, and its module is imported when the verb is used: most need no network."""

GONE = {
    "ablate": "python training/ablation.py, in the project's repository",
    "compare": "tinyseg evaluate A --against B --data DATA",
    "memory": "tinyseg train --dry-run --recipe RECIPE",
    "prior": "tinyseg export WEIGHTS --learn-prior --data DATA --out OUT",
    "views": "tinyseg show PICTURES --plan PLAN --out OUT",
}
"""Verbs of the version before, each with the call that took its place."""

INTERRUPTED = 130
"""The exit status after Ctrl-C, as shells have it."""


class Verbs(typer.core.TyperGroup):
    """The verbs by name: a line of each for the list, and all of the one that is used."""

    def list_commands(self, ctx: Any) -> list[str]:
        """In the order of VERBS."""
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """For the list of verbs: a command that has its line of help and nothing to do."""
        if cmd_name not in VERBS:
            return None
        return typer.core.TyperCommand(cmd_name, help=VERBS[cmd_name][1])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that was asked for, with its module."""
        if args and args[0] in GONE:
            rule = "this verb has another name now"
            raise TinysegError(rule, where=args[0], expected=GONE[args[0]])
        name, command, rest = super().resolve_command(ctx, args)
        return name, command if name is None else load_verb(name), rest


def load_verb(name: str) -> Any:
    """The command of a verb, with its options."""
    from tinyseg.cli.common import Verb

    function = getattr(import_module(f"tinyseg.cli.{VERBS[name][0]}"), name)
    alone = typer.Typer(
        add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False
    )
    alone.command(name, cls=Verb)(function)
    return typer.main.get_command(alone)


def _tell_version(wanted: bool | None) -> None:
    if wanted:
        print(f"tinyseg {import_module('tinyseg').__version__}")
        raise typer.Exit


app = typer.Typer(
    name="tinyseg",
    cls=Verbs,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    add_completion=True,
)


@app.callback()
def tinyseg(
    wanted: bool | None = typer.Option(
        None, "--version", callback=_tell_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Find and segment the tiny instances of a driving scene, and every larger one too."""


def main() -> None:
    """Entry point: errors of ours become one line and exit status 2."""
    try:
        status = app(standalone_mode=False)
    except TinysegError as error:
        console.print(f"[red]error:[/] {escape(str(error))}", highlight=False)
        sys.exit(2)
    except (KeyboardInterrupt, typer.Abort):
        status = INTERRUPTED
    except Exception as error:
        # Typer carries its own copy of click, whose usage errors know how to show themselves.
        if not hasattr(error, "show"):
            raise
        error.show()
        sys.exit(int(getattr(error, "exit_code", 2)))
    # Typer makes an interruption a status that it returns.
    if status == INTERRUPTED:
        console.print("interrupted; what was finished is saved")
    if isinstance(status, int):
        sys.exit(status)
