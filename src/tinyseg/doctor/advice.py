"""From the statistics to sentences: which recipe, zoom, tile or band of rows would help.

In: Statistics, the recipe that was named, if any. Out: advice, most important first; none for a
set without instances. Each sentence states the figure that it follows from.
"""

from collections.abc import Sequence

from tinyseg.doctor.statistics import AnchorCover, Shrunk, Statistics, TileCover

LOST = 0.2
"""Share of instances below 8 view pixels from which a scale is called too small."""

WORSE = 0.1
"""Shares that a recipe may be behind the best before another one is named."""

WHOLE = 0.95
"""Share of instances that tiles must hold whole to be worth naming."""

BAND = 0.5
"""Share of the frame's height below which a band of rows is worth naming."""


def advise(statistics: Statistics, recipe: str | None) -> tuple[str, ...]:
    """What would help, in sentences."""
    if statistics.counts.sum() == 0:
        return ()
    told = [
        *_of_scales(statistics.shrunk),
        *_of_anchors(statistics.anchors, recipe),
        *_of_tiles(statistics.tiles),
        *_of_rows(statistics),
        *_of_classes(statistics),
    ]
    return tuple(told)


def _of_scales(shrunk: Sequence[Shrunk]) -> list[str]:
    """Whether whole frames lose the small ones."""
    by_name = {one.resolution: one for one in shrunk}
    larger, native = by_name["1800 / 2400"], by_name["native"]
    if larger.below[1] < LOST:
        return []
    text = f"Whole frames at 1800 / 2400 show {larger.below[1]:.0%} of the instances below 8 pixels"
    if native.below[1] < larger.below[1] / 2:
        return [f"{text}; native pixels {native.below[1]:.0%}: train and predict with tiles."]
    return [f"{text}, native pixels {native.below[1]:.0%}: zoom in (tiles or focus at zoom 2)."]


def _of_anchors(anchors: Sequence[AnchorCover], recipe: str | None) -> list[str]:
    """Whether the recipe named gives instances anchors as well as the best recipe does."""
    shares: dict[str, list[float]] = {}
    for one in anchors:
        shares.setdefault(one.recipe, []).append(one.all or 0.0)
    if not shares:
        return []
    means = {name: sum(own) / len(own) for name, own in shares.items()}
    best = max(means, key=lambda name: means[name])
    told = "of the instances have an anchor over the threshold, in the mean over its scales"
    if recipe is None or means[best] - means[recipe] <= WORSE:
        name = recipe or best
        return [f"Anchors: with {name} {means[name]:.0%} {told}."]
    return [
        f"Anchors: with {recipe} {means[recipe]:.0%} {told}; with {best} {means[best]:.0%}: take "
        "its network.proposals, or another zoom."
    ]


def _of_tiles(covers: Sequence[TileCover]) -> list[str]:
    """The cheapest tiles that hold nearly everything whole at 16 pixels or more."""
    good = [one for one in covers if one.whole >= WHOLE]
    if not good or all(one.tiles == 1 for one in good):
        return []
    fewest_small = min(one.below_16 for one in good)
    fitting = [one for one in good if one.below_16 <= fewest_small + 0.05]
    best = min(fitting, key=lambda one: one.megapixels)
    text = (
        f"Tiles of {best.size} pixels at zoom {best.zoom:g} hold {best.whole:.0%} of the instances "
        f"whole and show {best.below_16:.0%} below 16 pixels: {best.tiles} tiles a frame "
        f"({best.megapixels:.0f} MP)"
    )
    if best.in_band is None or best.in_band > best.tiles / 2:
        return [f"{text}."]
    return [f"{text}; {best.in_band} of them cover the rows where the small ones are."]


def _of_rows(statistics: Statistics) -> list[str]:
    """Whether the small ones stand in a band of rows."""
    if statistics.small_rows is None:
        return []
    top, bottom = statistics.small_rows
    if bottom - top > BAND:
        return []
    return [
        f"98 % of the small instances stand between {top:.1%} and {bottom:.1%} of the height: "
        "tiles of that band (a plan of tiles), or a focus, which every run learns a prior for."
    ]


def _of_classes(statistics: Statistics) -> list[str]:
    """Classes that are rare among the instances."""
    counts = statistics.counts.sum(axis=(1, 2))
    rare = [
        f"{name} {count}"
        for name, count in zip(statistics.classes, counts.tolist(), strict=True)
        if 0 < count < 0.02 * counts.sum()
    ]
    if not rare:
        return []
    return [
        f"Rare classes ({', '.join(rare)} of {counts.sum()}): let their frames come more often "
        "(sampling.repeat), and read their scores with their counts in mind."
    ]
