"""`tinyseg submit`: predictions -> the challenge's CSV; and what is wrong with such a file."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from tinyseg.cli.common import hw_of, only_with, remark
from tinyseg.errors import PredictionsError
from tinyseg.progress import show_progress
from tinyseg.submission import FRAME_HW, Written, findings_text
from tinyseg.tasks import ChallengePictures, check_submission, submit as write_csv


def submit(
    predictions: Annotated[
        list[str] | None,
        typer.Argument(
            help="What `tinyseg predict` wrote: files, folders, or addresses of cluster results."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="CSV file to write.")] = None,
    check: Annotated[Path | None, typer.Option(help="CSV file to check instead.")] = None,
    min_score: Annotated[float, typer.Option(min=0, max=1, help="Leave out lower scores.")] = 0.0,
    exclusive: Annotated[
        bool,
        typer.Option(
            "--exclusive",
            "--no-overlaps",
            help="Each pixel belongs to at most one instance, the best one.",
        ),
    ] = False,
    mapping: Annotated[
        list[Path] | None,
        typer.Option(help="The challenge's md5 mapping lists, or their folder; may be repeated."),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder of the test pictures, for their names and sizes.")
    ] = None,
    size: Annotated[
        str, typer.Option(help="WIDTHxHEIGHT of pictures that are not in --images.")
    ] = f"{FRAME_HW[1]}x{FRAME_HW[0]}",
    json: Annotated[
        Path | None, typer.Option(help="With --check: write every fault to this file.")
    ] = None,
) -> None:
    """Write the WAD challenge's CSV from predictions, or --check one: every fault with its row.

    Row 1 is the header. --check ends with exit status 1 if there is a fault.

    Example: tinyseg submit found --out submission.csv --min-score 0.1 --mapping list_test_mapping

    Example: tinyseg submit --check submission.csv --images test --json faults.json
    """
    pictures = ChallengePictures(images, mapping or (), hw_of(size))
    only_with("--check", "--json", met=check)
    if check is not None and not predictions and out is None:
        only_with("--out", "--min-score", met=False)
        checked = check_submission(
            check, pictures, exclusive=exclusive, json=json, on_progress=show_progress
        )
        for text in findings_text(checked.findings):
            typer.echo(text)
        counts = f"{checked.findings.faults} faults, {checked.findings.warnings} warnings"
        typer.echo(f"{check}: {checked.instances} instances, {counts}")
        sys.exit(1 if checked.findings.faults else 0)
    if check is not None or not predictions or out is None:
        rule = "submit takes PREDICTIONS and --out FILE.csv, or --check FILE.csv alone"
        raise PredictionsError(rule)
    written = write_csv(
        predictions,
        out,
        pictures,
        min_score=min_score,
        exclusive=exclusive,
        on_progress=show_progress,
    )
    tell(written, out)


def tell(written: Written, out: Path) -> None:
    """What the file has, and what not."""
    typer.echo(f"{written.rows} rows of {written.frames} frames in {out}")
    left_out = {
        "under the score cut": written.under_score,
        "of classes that are not scored": written.other_classes,
        "without a pixel of their own": written.without_pixel,
    }
    for reason, count in left_out.items():
        if count:
            typer.echo(f"left out: {count} {reason}")
    if written.missing:
        some = ", ".join(written.missing[:3])
        remark(f"{len(written.missing)} test pictures without predictions ({some} ...)")
