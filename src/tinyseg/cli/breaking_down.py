"""The options of `tinyseg evaluate --breakdown`."""

from typing import Annotated

import typer

from tinyseg.errors import DataError

Buckets = dict[str, tuple[float, float]]

BucketOption = Annotated[
    list[str] | None,
    typer.Option(
        help="With --breakdown: your own size range, NAME=LOW:HIGH, sides in pixels: pole=4:12."
    ),
]
PrecisionOption = Annotated[
    float | None, typer.Option(help="With --breakdown: the precision at which recall is reported.")
]
BoundaryOption = Annotated[
    int | None,
    typer.Option(
        min=1, help="With --breakdown: least boundary width in pixels; it is .02 of the diagonal."
    ),
]
SeamsOption = Annotated[
    str | None,
    typer.Option(
        help="With --breakdown: whole, tiles or a plan's YAML file, to recognise errors at its "
        "views' borders."
    ),
]


def read_buckets(texts: list[str]) -> Buckets:
    """Ranges of sides in pixels written as NAME=LOW:HIGH; an end left out is 0 or no end."""
    buckets: Buckets = {}
    for text in texts:
        name, _, ends = text.partition("=")
        low, colon, high = ends.partition(":")
        try:
            buckets[name] = float(low or 0), float(high or 1e5)
        except ValueError:
            colon = ""
        if not name or not colon:
            rule = "a bucket is written NAME=LOW:HIGH, sides in pixels"
            raise DataError(rule, where="--bucket", expected="pole=4:12", got=text)
    return buckets
