"""`tinyseg synth`: renders street scenes."""

from pathlib import Path
from typing import Annotated

import typer

from tinyseg.errors import DataError
from tinyseg.files import check_folder
from tinyseg.progress import console, progress_bar
from tinyseg.scenes import write_wad


def synth(
    out: Annotated[Path, typer.Option(help="Folder to write, in the WAD's own layout.")],
    count: Annotated[int, typer.Option(min=1, help="Frames.")] = 20,
    seed: Annotated[int, typer.Option(help="The same seed gives the same frames.")] = 0,
    first: Annotated[int, typer.Option(min=0, help="Index of the first frame.")] = 0,
    size: Annotated[str, typer.Option(help="Width x height in pixels.")] = "3384x2710",
    zoom: Annotated[float, typer.Option(min=0.1, help="Narrower field of view.")] = 1.0,
) -> None:
    """Render street scenes with exact labels.

    Example: tinyseg synth --out scenes --count 40 --seed 1
    """
    width, height = _parse_size(size)
    check_folder(out)
    with progress_bar("rendering", count) as bar:
        write_wad(
            out,
            count=count,
            seed=seed,
            first=first,
            height=height,
            width=width,
            zoom=zoom,
            progress=lambda _: bar.advance(),
        )
    console.print(f"{count} frames in {out}")


def _parse_size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) >= 64 and int(height) >= 64):
        raise DataError("a size is WIDTHxHEIGHT, at least 64x64", where="--size", got=text)
    return int(width), int(height)
