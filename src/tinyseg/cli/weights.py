"""`tinyseg weights`: what can be named without a file of one's own."""

from pathlib import Path

import typer

from tinyseg.stored import offers


def weights() -> None:
    """List the weights that `--weights` takes by name, with size, classes, licence and figures.

    Example: tinyseg weights
    """
    for offer in offers():
        way = "" if isinstance(offer.place, Path) else "fetched on first use from "
        typer.echo(f"{offer.name}: {offer.size_mb:.1f} MB, {way}{offer.place}")
        typer.echo(f"  classes  {offer.classes}")
        typer.echo(f"  figures  {offer.figures}")
        typer.echo(f"  licence  {offer.licence}")
