"""The command line: one thin command a verb, a file each. Work is done in the rooms; here words
become calls.

Results go to standard output, everything else to standard error. Bad input ends with exit status
2 and one line that names file, place and rule; Ctrl-C with 130, and what was finished is kept.
"""

import sys

import typer

from tinyseg.cli.ablate import ablate
from tinyseg.cli.calibrate import calibrate
from tinyseg.cli.compare import compare
from tinyseg.cli.convert import convert
from tinyseg.cli.doctor import doctor
from tinyseg.cli.evaluate import evaluate
from tinyseg.cli.export import export
from tinyseg.cli.memory import memory
from tinyseg.cli.predict import predict
from tinyseg.cli.report import report
from tinyseg.cli.show import show
from tinyseg.cli.submit import submit
from tinyseg.cli.synth import synth
from tinyseg.cli.train import train
from tinyseg.cli.views import prior, views
from tinyseg.errors import TinysegError
from tinyseg.progress import console

app = typer.Typer(
    name="tinyseg",
    help="Find and segment the tiny instances of a driving scene, and every larger one too.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    add_completion=False,
)

INTERRUPTED = 130
"""The exit status after Ctrl-C, as shells have it."""

VERBS = (
    synth,
    convert,
    train,
    predict,
    calibrate,
    doctor,
    evaluate,
    compare,
    report,
    submit,
    export,
    memory,
    show,
    ablate,
    views,
    prior,
)

for _verb in VERBS:
    app.command()(_verb)


def main() -> None:
    """Entry point: errors of ours become one line and exit status 2."""
    try:
        status = app(standalone_mode=False)
    except TinysegError as error:
        console.print(f"[red]error:[/] {error}", highlight=False)
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
