"""Which clip a frame is from: video lists, mappings and names."""

from pathlib import Path

import pytest

from tinyseg.data.clips import clips_from_lists, clips_from_pattern
from tinyseg.errors import DataError

FRAME = "170908_061502408_Camera_5"


def write_list(folder: Path, name: str, frame: str) -> None:
    front = "road01_ins\\ColorImage\\Record011\\Camera 5"
    line = f"{front}\\{frame}.jpg\t{front}\\{frame}_instanceIds.png\r\n"
    (folder / name).write_bytes(line.encode())


def test_the_list_is_the_clip(tmp_path: Path) -> None:
    write_list(tmp_path, "road01_cam_5_video_6_image_list_train.txt", FRAME)
    write_list(tmp_path, "road02_cam_6_video_1_image_list_train.txt", "other")
    clip_of = clips_from_lists(tmp_path)
    assert clip_of(FRAME) == clip_of(f"test/{FRAME}.jpg") == "road01_cam_5_video_6"
    assert clip_of("other") == "road02_cam_6_video_1"
    assert clip_of("a third") is None


def test_one_list_and_the_test_sets_mapping(tmp_path: Path) -> None:
    path = tmp_path / "md5_mapping_road01_cam_5_video_6_image_list_test.txt"
    path.write_text(f"0123abc\troad01\\{FRAME}.jpg\n")
    assert clips_from_lists(path)("0123abc.jpg") == "road01_cam_5_video_6"
    assert clips_from_lists(tmp_path)("0123abc") == "road01_cam_5_video_6"


def test_a_frame_of_two_clips_is_refused(tmp_path: Path) -> None:
    write_list(tmp_path, "a_image_list_train.txt", FRAME)
    write_list(tmp_path, "b_image_list_train.txt", FRAME)
    with pytest.raises(DataError, match=r"b_image_list_train\.txt: line 1: .*also in a"):
        clips_from_lists(tmp_path)


def test_no_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no video list"):
        clips_from_lists(tmp_path)


def test_a_pattern_joins_its_groups() -> None:
    assert clips_from_pattern("^([0-9]{6}).*(Camera_[0-9])")(FRAME) == "170908_Camera_5"
    assert clips_from_pattern("Camera_[0-9]")(f"{FRAME}.jpg") == "Camera_5"
    assert clips_from_pattern("Camera_7")(FRAME) is None
    with pytest.raises(DataError, match="cannot be read"):
        clips_from_pattern("(")
