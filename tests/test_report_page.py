"""The report's page: what is on it, in letters and figures; no browser."""

import json
import math
import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from _report_page import CHOICE, CLASSES, HW, found, frame, judged, judged_run, made_page

from tinyseg.errors import DataError
from tinyseg.frame import Frame, FrameLabels, Instances
from tinyseg.masks import CropMasks
from tinyseg.predictions import FramePredictions, Predictions
from tinyseg.report.html.charts import (
    bar_chart,
    figure,
    interval,
    percent,
    precision_chart,
    signed,
    signed_interval,
    size_chart,
)
from tinyseg.report.html.gather import page_of, sheets_of, worst_frames
from tinyseg.report.html.page import to_html
from tinyseg.report.html.records import Bar, Curve, Estimate


@cache
def written(runs: int) -> str:
    return to_html(made_page(runs)).decode()


def data_of(html: str) -> dict[str, object]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    return dict(json.loads(found[1]))


def test_a_page_needs_no_other_file() -> None:
    html = written(1)
    links = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert [link for link in links if not link.startswith("#")] == []
    assert "default-src 'none'" in html
    without_names = html.replace("http://www.w3.org/2000/svg", "")
    assert "http:" not in without_names
    assert "https:" not in without_names


def test_the_scripts_read_what_was_judged() -> None:
    data = data_of(written(2))
    assert data["classes"] == list(CLASSES)
    assert data["runs"] == ["run-0", "run-1"]
    frames = data["frames"]
    assert isinstance(frames, list)
    first = frames[0]
    assert [label["fates"][1]["kind"] for label in first["truth"]].count("found") == 4
    assert [len(run) for run in first["found"]] == [4, 6]
    scores = [one["score"] for one in first["found"][1]]
    assert scores == sorted(scores), "the best are drawn last"
    assert first["truth"][0]["box"] == [100, 640, 124, 660]
    assert first["ignored"].startswith("M")


def test_names_cannot_break_the_page() -> None:
    html = written(1)
    assert "Mind &lt;endings&gt;." in html
    assert html.count("</script>") == 2


def test_two_runs_are_compared() -> None:
    one, two = (written(runs) for runs in (1, 2))
    assert "B is better" in two
    assert "B is better" not in one
    assert 'data-run="1"' in two
    assert 'id="beside"' not in one


def test_the_words_count_right() -> None:
    (first, second, costs, third, last) = made_page(1).words
    assert first.startswith("8 of 12 labelled instances are not found at any score.")
    assert "2 of 10 are found" in first
    assert second.startswith("Of the 8 not found 2 have a prediction of their class on them")
    assert "6 have nothing on them" in second
    assert costs.startswith("The costliest errors are those of localisation")
    assert third.startswith("From a score of .30 on, 4 of 8 predictions are right")
    alarms = "2 lie on nothing labelled or ignored: 1 a frame, 0.55 a megapixel."
    assert third.endswith(alarms)  # two frames of 1.82 megapixels
    assert last.startswith("2 frames only")
    assert made_page(2).words[0].startswith("B finds 8 labelled instances, A 4.")


def test_a_chart_says_how_often_a_score_is_right() -> None:
    (chart,) = [one for one in made_page(1).charts if one.title == "How often a score is right"]
    told = re.findall(r">([^<]+)<", chart.svg)
    assert {*told[1:4]} == {"score .3 to .4", "1", ".000"}
    assert {*told[-6:-3]} == {"score .8 to .9", "2", "1.000"}
    assert {*told[-3:]} == {"score .9 to 1", "2", "1.000"}
    assert "calibration error .312" in chart.note  # (.1 2 + .2 2 + .55 2 + .45 + .35) / 8


def test_frames_with_most_errors_are_shown() -> None:
    run = judged_run(0, frames=3)
    assert worst_frames([run], 2) == [0, 1]
    assert worst_frames([run, judged_run(1, frames=3)], 20) == [0, 1, 2]
    with pytest.raises(DataError, match="one run or two"):
        worst_frames([], 2)


def test_figures_in_letters() -> None:
    assert [figure(v) for v in (0.0, 0.0446, 1.0, math.nan)] == [
        ".000",
        ".045",
        "1.000",
        "\N{EN DASH}",
    ]
    assert interval(Estimate(0.1)) == ""
    assert (
        interval(Estimate(0.1, 0.05, 0.25)).replace("\N{THIN SPACE}", "") == ".050\N{EN DASH}.250"
    )
    assert [signed(v) for v in (0.012, -0.5)] == ["+.012", "\N{MINUS SIGN}.500"]
    assert signed_interval(Estimate(0.0, -0.1, 0.2)) == "\N{MINUS SIGN}.100 to +.200"
    assert [percent(v) for v in (0.974, None, math.nan)] == ["97 %", "", ""]


def test_charts_leave_gaps_where_nothing_is_known() -> None:
    curve = Curve((4.0, 8.0, 16.0, 32.0), (0.1, math.nan, 0.3, 0.4))
    chart = size_chart([curve], [(2.0, 4.0, 3), (4.0, 64.0, 5)], title="t")
    assert chart.count('class="dot run0"') == 3
    assert chart.count('class="line run0"') == 1
    assert 'class="band' not in chart
    assert size_chart([], [(2.0, 4.0, 0)], title="nothing").count("<line") == 5
    bars = [Bar("car", 3, (Estimate(0.5, 0.25, 0.75), Estimate(math.nan)))]
    drawn = bar_chart(bars, title="bars <of> one")
    assert drawn.count('class="whisker"') == 3
    assert "nothing to measure" in drawn
    assert "bars &lt;of&gt; one" in drawn
    assert "nan" not in chart + drawn + precision_chart([Curve((), ())], title="none")


def test_a_file_keeps_to_its_size() -> None:
    """Pictures of noise take as much as they may get."""
    rng = np.random.default_rng(0)
    frames = [
        replace(frame(i), image=rng.integers(0, 255, (*HW, 3)).astype(np.uint8)) for i in range(2)
    ]
    choice = replace(CHOICE, max_bytes=1_000_000)
    sheets = sheets_of([judged_run(0)], [0, 1], frames, choice)
    page = page_of([judged_run(0)], None, sheets, choice, classes=CLASSES)
    assert 300_000 < len(to_html(page)) <= choice.max_bytes


def test_frames_without_a_label_make_a_page() -> None:
    empty = FrameLabels("frame0", HW, Instances.empty(), CropMasks.empty())
    given = FramePredictions("frame0", "frame0.png", HW, found(0, 0))
    run = judged(Predictions(CLASSES, (given,)), [empty], "run")
    sheets = sheets_of([run], [0], [Frame.of(frame(0).image, empty)], CHOICE)
    page = page_of([run], None, sheets, CHOICE, classes=CLASSES)
    assert page.words == ()
    assert data_of(to_html(page).decode())["classes"] == list(CLASSES)
