"""A Page -> one HTML file that needs no other: style, script, pictures and figures inside.

The template, style sheet and scripts are files beside this one. The page's own policy forbids it to
load anything, so a page that works when it is written works offline.
"""

from importlib.resources import files

import jinja2
import orjson

from tinyseg.report.html.charts import figure, interval, percent, signed, signed_interval
from tinyseg.report.html.pictures import Patch
from tinyseg.report.html.records import Fate, Outlined, Page, Sheet
from tinyseg.scoring import ERRORS, ErrorKind

SHARED_PARTS = ("common.js", "pictures.js", "stage.js")
"""What the page of `tinyseg serve` has too: one viewer for both."""

SCRIPTS = ("common.js", "page.js", "pictures.js", "stage.js", "gallery.js", "viewer.js")
"""In the order in which they run: the last one starts the page."""


def to_html(page: Page) -> bytes:
    """The whole page as UTF-8."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    words = {
        "figure": figure,
        "interval": interval,
        "signed": signed,
        "signed_interval": signed_interval,
        "percent": percent,
    }
    script = "\n".join(page_part(name) for name in SCRIPTS)
    # JSON that cannot end the element that it stands in
    document = {
        "classes": page.classes,
        "runs": page.runs,
        "cut": page.cut,
        "floor": page.floor,
        "frames": [_sheet(sheet) for sheet in page.sheets],
    }
    data = orjson.dumps(document).decode().replace("<", "\\u003c")
    text = environment.from_string(page_part("page.html.j2")).render(
        page=page,
        style=page_part("page.css"),
        script=f'"use strict";\n{script}',
        data=data,
        **words,
    )
    return text.encode()


def page_part(name: str) -> str:
    """A file that stands beside this one."""
    return files(__package__).joinpath(name).read_text("utf-8")


# What the scripts read.


def _sheet(sheet: Sheet) -> dict[str, object]:
    return {
        "name": sheet.name,
        "width": sheet.hw[1],
        "height": sheet.hw[0],
        "whole": _patch(sheet.picture.whole),
        "native": [_patch(patch) for patch in sheet.picture.native],
        "ignored": sheet.ignored,
        "truth": [
            {**_shape(one.shape), "fates": [_fate(fate, "found") for fate in one.fates]}
            for one in sheet.truth
        ],
        "found": [
            [
                {**_shape(one.shape), "score": round(one.score, 4), **_fate(one.fate, "correct")}
                for one in run
            ]
            for run in sheet.found
        ],
    }


def _patch(patch: Patch) -> dict[str, object]:
    return {"box": patch.box, "scale": patch.scale, "source": patch.source}


def _shape(shape: Outlined) -> dict[str, object]:
    return {"class": shape.label, "box": shape.box, "area": shape.area, "path": shape.path}


def _fate(fate: Fate, right: str) -> dict[str, object]:
    words = {ErrorKind.RIGHT: right, ErrorKind.IGNORED: "not judged"}
    kind = words.get(fate.kind, fate.kind.title)
    return {"kind": kind, "error": fate.kind in ERRORS, "iou": round(fate.iou, 4)}
