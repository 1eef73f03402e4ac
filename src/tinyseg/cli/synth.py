"""`tinyseg synth`: renders street scenes."""

from pathlib import Path
from typing import Annotated

import typer

from tinyseg.cli.common import hw_of
from tinyseg.files import check_folder
from tinyseg.progress import console, progress_bar
from tinyseg.scenes import write_wad


def synth(
    out: Annotated[Path, typer.Option(help="Folder to create, in the layout of WAD.")],
    frames: Annotated[
        int, typer.Option("--frames", "--count", min=1, help="Number of frames.")
    ] = 20,
    seed: Annotated[int, typer.Option(help="Seed; the same seed gives the same frames.")] = 0,
    first: Annotated[int, typer.Option(min=0, help="Index of the first frame.")] = 0,
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT in pixels.")] = "3384x2710",
    zoom: Annotated[
        float, typer.Option(min=0.1, help="Zoom of the lens; above 1 is a narrower field of view.")
    ] = 1.0,
) -> None:
    """Render street scenes with exact labels.

    Example: tinyseg synth --out scenes --frames 40 --seed 1
    """
    height, width = hw_of(size, least=64)
    check_folder(out)
    with progress_bar("rendering", frames) as bar:
        write_wad(
            out,
            count=frames,
            seed=seed,
            first=first,
            height=height,
            width=width,
            zoom=zoom,
            progress=lambda _: bar.advance(),
        )
    console.print(f"{frames} frames in {out}")
