"""The prior: what it learns, whom it serves, and its file."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from _street import HW, INFO, SMALL, instances, street

from tinyseg.errors import DataError
from tinyseg.views import (
    FrameInfo,
    learn_prior,
    prior_from_json,
    prior_to_json,
    read_prior,
)
from tinyseg.views.evidence import Grid

# The prior


def test_a_prior_expects_what_it_was_shown() -> None:
    prior = learn_prior([street(), street(), street("b_Camera_6", row=100)])
    expected = prior.expected(INFO)
    assert expected is not None
    assert expected.shape == Grid.of(HW).shape
    # Two frames of five sizes 6.9 each, and one of 95: on average 5 and 1 a frame.
    assert expected.sum(axis=(1, 2)) == pytest.approx([5, 0, 0, 0, 1, 0], abs=0.05)
    rows = expected[0].sum(axis=1)
    assert abs(Grid.of(HW).centres(0)[rows.argmax()] - 153) <= 4
    assert rows[np.abs(Grid.of(HW).centres(0) - 153) > 20].sum() < 0.01
    other = prior.expected(FrameInfo(HW, "6"))
    assert other is not None
    assert abs(Grid.of(HW).centres(0)[other[0].sum(axis=1).argmax()] - 103) <= 4


@pytest.mark.parametrize("info", [FrameInfo(HW, "7"), FrameInfo(HW), FrameInfo((340, 270), "5")])
def test_a_foreign_frame_has_no_prior_and_the_plan_says_so(info: FrameInfo) -> None:
    prior = learn_prior([street()])
    assert prior.expected(info) is None
    alone = replace(SMALL, source="prior", prior=prior)
    assert len(alone.first(info)) == 1
    assert len(alone.first(INFO)) > 1
    found = instances((100, 60, 106, 66))
    both, first = (replace(SMALL, source=s, prior=prior) for s in ("both", "first"))
    assert both.then(info, found) == first.then(info, found)
    assert both.then(INFO, found) != first.then(INFO, found)
    (remark,) = both.remarks(info)
    assert remark.startswith("the prior is not used: this frame is of ")
    assert remark.endswith("it of camera 5 at 340 x 270")
    assert both.remarks(INFO) == ("the prior of camera 5 is used, learned on 1 frames",)
    assert first.remarks(info) == ()


def test_frames_of_no_camera_teach_nothing() -> None:
    with pytest.raises(DataError, match="cameras"):
        learn_prior([street("frankfurt")])
    prior = learn_prior([street("frankfurt"), street()])
    assert [(c.camera, c.frames) for c in prior.cameras] == [("5", 1)]
    named = learn_prior([street("frankfurt")], camera="roof")
    assert named.expected(FrameInfo(HW, "roof")) is not None


def test_a_prior_comes_back_from_its_file(tmp_path: Path) -> None:
    prior = learn_prior([street(), street("b_Camera_6"), street("c_Camera_5", hw=(300, 340))])
    text = prior_to_json(prior)
    again = prior_from_json(text)
    assert prior_to_json(again) == text
    assert [(c.camera, c.hw, c.frames) for c in again.cameras] == [
        ("5", (270, 340), 1),
        ("5", (300, 340), 1),
        ("6", (270, 340), 1),
    ]
    for one, two in zip(prior.cameras, again.cameras, strict=True):
        assert np.array_equal(one.counts, two.counts)
    (tmp_path / "prior.json").write_text(text)
    assert prior_to_json(read_prior(tmp_path / "prior.json")) == text
    with pytest.raises(DataError, match="cannot be read"):
        read_prior(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"version": 2}, "version"),
        ({"rows": 64}, "rows"),
        ({"more": 1}, "more"),
        ({"cameras": []}, "cameras"),
        ({"cameras": [{"camera": "5", "hw": [270, 340], "frames": 0, "counts": []}]}, "frames"),
        ({"cameras": [{"camera": "5", "hw": [0, 340], "frames": 1, "counts": []}]}, "hw"),
        ({"cameras": [{"camera": "5", "hw": [9, 9], "frames": 1, "counts": [[0, 1]]}]}, "counts.0"),
        (
            {"cameras": [{"camera": "5", "hw": [9, 9], "frames": 1, "counts": [[0, 128, 0, 1]]}]},
            "counts.0",
        ),
        (
            {"cameras": [{"camera": "5", "hw": [9, 9], "frames": 1, "counts": [[0, 1, 0, -1]]}]},
            "counts.0",
        ),
        ({"cameras": [{"camera": "5", "hw": [9, 9], "frames": 1, "counts": []}] * 2}, "once"),
    ],
)
def test_damaged_priors_are_refused(change: dict[str, object], place: str) -> None:
    tree = json.loads(prior_to_json(learn_prior([street()])))
    with pytest.raises(DataError) as caught:
        prior_from_json(json.dumps({**tree, **change}), path="prior.json")
    assert place in str(caught.value)
    assert "prior.json" in str(caught.value)


def test_no_json_is_no_prior() -> None:
    with pytest.raises(DataError, match="not a prior"):
        prior_from_json("{")
