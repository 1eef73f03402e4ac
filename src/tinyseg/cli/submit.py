"""`tinyseg submit`: predictions -> the challenge's CSV; and what is wrong with such a file."""

import re
import sys
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from tinyseg.errors import PredictionsError, TinysegError
from tinyseg.exporting import require
from tinyseg.files import check_output
from tinyseg.predictions import Predictions
from tinyseg.progress import Bar, console, progress_bar
from tinyseg.submission import (
    FRAME_HW,
    Cuts,
    Pictures,
    Written,
    check as find_faults,
    collect,
    find_pictures,
    findings_text,
    write_submission,
)
from tinyseg.tasks import parts_at, read_given

_ROWS_A_STEP = 1000


def submit(
    predictions: Annotated[
        list[str] | None,
        typer.Argument(
            help="What `tinyseg predict` wrote: files, folders, addresses of a cluster's results."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The CSV file to write.")] = None,
    check: Annotated[Path | None, typer.Option(help="A CSV file to check instead.")] = None,
    min_score: Annotated[
        float, typer.Option(min=0, max=1, help="Leave out what scores less.")
    ] = 0.0,
    no_overlaps: Annotated[
        bool, typer.Option("--no-overlaps", help="A pixel belongs to one instance, the better one.")
    ] = False,
    mapping: Annotated[
        list[Path] | None,
        typer.Option(help="The challenge's md5 mapping lists, or their folder; repeat it."),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="The folder of test pictures: names and sizes are known.")
    ] = None,
    size: Annotated[
        str, typer.Option(help="Width x height of pictures that are not in --images.")
    ] = f"{FRAME_HW[1]}x{FRAME_HW[0]}",
    json: Annotated[
        Path | None, typer.Option(help="With --check: write every fault to this file.")
    ] = None,
) -> None:
    """Write the challenge's CSV from predictions, or --check one: every fault with its row.

    Row 1 is the header. --check ends with status 1 where there is a fault, and names warnings too.

    Example: tinyseg submit found --out submission.csv --min-score 0.1 --mapping list_test_mapping

    Example: tinyseg submit --check submission.csv --images test --json faults.json
    """
    check_output(out, json)
    pictures = find_pictures(images, mapping or [], frame_hw=_hw(size))
    if check is not None and not predictions and out is None:
        _check(check, pictures, exclusive=no_overlaps, json=json)
        return
    if check is not None or not predictions or out is None:
        rule = "submit takes PREDICTIONS and --out FILE.csv, or --check FILE.csv alone"
        raise PredictionsError(rule)
    given = [_frames_of(one) for one in predictions]
    with progress_bar("writing rows", sum(count for count, _ in given)) as bar:
        cuts = Cuts(min_score, no_overlaps)
        frames = chain.from_iterable(some for _, some in given)
        written = write_submission(out, frames, pictures, cuts=cuts, meet=bar.advance)
    _tell(written, out)


def _frames_of(given: str) -> tuple[int, Iterable[Predictions]]:
    """How many frames are given, and they: a cluster's results part by part, a file whole."""
    parts = parts_at(given)
    if parts is None:
        whole = read_given(Path(given))
        return len(whole.frames), [whole]
    require("pyarrow")
    from tinyseg.cluster import classes_of, frames_in, names_in

    classes = classes_of(parts)
    frames = (Predictions(classes, (frame,)) for frame in frames_in(parts))
    return sum(map(len, names_in(parts).values())), frames


def _tell(written: Written, out: Path) -> None:
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
        rest = f"{len(written.missing)} test pictures without predictions"
        console.print(f"[yellow]{rest}[/] ({some} ...)", highlight=False)


def _check(path: Path, pictures: Pictures, *, exclusive: bool, json: Path | None) -> None:
    """Print the groups; status 1 where there is a fault."""
    rows = 0
    with progress_bar("checking, thousands of rows", _thousands(path)) as bar:

        def meet(number: int) -> None:
            nonlocal rows
            rows = number
            _step(bar, number)

        faults = find_faults(path, pictures, exclusive=exclusive, meet=meet)
        findings = collect(faults, json=json)
    for text in findings_text(findings):
        typer.echo(text)
    counts = f"{findings.faults} faults, {findings.warnings} warnings"
    typer.echo(f"{path}: {max(rows - 1, 0)} instances, {counts}")
    if findings.faults:
        sys.exit(1)


def _step(bar: Bar, number: int) -> None:
    if number % _ROWS_A_STEP == 0:
        bar.advance(f"row {number}")


def _thousands(path: Path) -> int:
    """How many steps the bar has."""
    try:
        with path.open("rb") as file:
            return (
                sum(piece.count(b"\n") for piece in iter(lambda: file.read(2**20), b""))
                // _ROWS_A_STEP
            )
    except OSError as error:
        raise PredictionsError("cannot be read", path=path, got=error.strerror) from error


def _hw(text: str) -> tuple[int, int]:
    """3384x2710 as height and width."""
    found = re.fullmatch(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", text)
    if found is None:
        raise TinysegError(
            "a size is width x height", where="--size", expected="3384x2710", got=text
        )
    return int(found[2]), int(found[1])
