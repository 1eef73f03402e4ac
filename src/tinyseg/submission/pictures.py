"""The test pictures: which ImageIds there are, what frames were called before, and their sizes.

In: a folder of pictures, and the challenge's mapping lists, `md5_mapping_<list>` with lines
`md5<TAB>original name`. Out: Pictures. Refused: a folder without either, a line of another form,
an md5 or an original name that comes with two partners.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from tinyseg.data import frame_key
from tinyseg.errors import DataError, PredictionsError
from tinyseg.fields import read_text
from tinyseg.image import ENDINGS, image_hw, is_picture
from tinyseg.submission.rules import FRAME_HW

MAPPING_FOLDER = "list_test_mapping"
MAPPING_FILES = "md5_mapping_*"

ID_FORM = re.compile(r"""[^\s,"'/\\\x00-\x1f\x7f]+""")
"""What fits an unquoted field and names a file."""

_MD5_FORM = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Pictures:
    """ImageIds, None where nobody has said which there are; original names and files by them.

    A picture's size is its file's, or `frame_hw` where there is no file.
    """

    ids: frozenset[str] | None = None
    originals: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    frame_hw: tuple[int, int] = FRAME_HW

    def image_id(self, name: str) -> str:
        """The ImageId of the frame of this name; raises PredictionsError where there is none."""
        key = frame_key(name)
        found = self.originals.get(key, key)
        if self.ids is not None and key in self.ids:
            found = key
        if not is_id(found):
            rule = "a frame's name has no spaces, commas or quotes, to be an ImageId"
            raise PredictionsError(rule, where=f"frame {name!r}")
        if self.ids is not None and found not in self.ids:
            rule = "a frame is one of the test pictures, by its ImageId or its original name"
            raise PredictionsError(rule, where=f"frame {name!r}", expected=self.some())
        return found

    def hw(self, image_id: str) -> tuple[int, int]:
        """Height and width of a picture; its file's header is read."""
        file = self.files.get(image_id)
        return self.frame_hw if file is None else _image_hw(file)

    def missing(self, met: Collection[str]) -> list[str]:
        """The ImageIds that are known and not met, in order."""
        return sorted((self.ids or frozenset()) - frozenset(met))

    def some(self) -> str:
        """How many there are, and one of them."""
        ids = self.ids or frozenset()
        hint = "" if self.originals else "; original names need the challenge's mapping lists"
        return f"one of {len(ids)}, like {min(ids, default='')}{hint}"


@lru_cache(maxsize=64)
def _image_hw(path: Path) -> tuple[int, int]:
    """Rows of one picture follow each other; its header is read once for them."""
    return image_hw(path)


def is_id(text: str) -> bool:
    """Whether a text can be an ImageId: a name without folder, ending and spaces."""
    return ID_FORM.fullmatch(text) is not None and not text.lower().endswith(tuple(ENDINGS))


def is_md5(text: str) -> bool:
    """Whether a text has the form of the challenge's own ImageIds."""
    return _MD5_FORM.fullmatch(text) is not None


def find_pictures(
    images: Path | None = None,
    mappings: Sequence[Path] = (),
    *,
    frame_hw: tuple[int, int] = FRAME_HW,
) -> Pictures:
    """What is known of the test pictures; the folder's files outrank the lists.

    Raises DataError where a folder or list is not there or is not one.
    """
    files: dict[str, Path] = {}
    if images is not None:
        if not images.is_dir():
            raise DataError("the test pictures lie in a folder", path=images)
        files = {path.stem: path for path in sorted(filter(is_picture, images.iterdir()))}
        if not files:
            raise DataError("the folder holds no picture", path=images, expected="*.jpg, *.png")
    originals = _read_mappings(mappings)
    ids = frozenset(files) if files else frozenset(originals.values())
    known = images is not None or len(mappings) > 0
    return Pictures(ids if known else None, originals, files, frame_hw)


def _read_mappings(paths: Sequence[Path]) -> dict[str, str]:
    """ImageIds by original name, from all lists together."""
    originals: dict[str, str] = {}
    names: dict[str, str] = {}
    for path in [file for given in paths for file in _mapping_files(given)]:
        for number, line in enumerate(read_text(path).splitlines(), start=1):
            where = f"line {number}"
            md5, _, name = (frame_key(part.strip()) for part in line.partition("\t"))
            if not line.strip():
                continue
            if not (is_md5(md5) and name):
                rule = "a line is md5, tab, original name"
                raise DataError(rule, path=path, where=where, got=repr(line[:60]))
            known = originals.setdefault(name, md5), names.setdefault(md5, name)
            if known != (md5, name):
                rule = "an md5 and an original name belong to each other alone"
                expected, got = f"{known[0]} with {known[1]}", f"{md5} with {name}"
                raise DataError(rule, path=path, where=where, expected=expected, got=got)
    return originals


def _mapping_files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted([*path.glob(MAPPING_FILES), *path.glob(f"{MAPPING_FOLDER}/{MAPPING_FILES}")])
    if not found:
        rule = "the folder holds no mapping list"
        raise DataError(rule, path=path, expected=f"{MAPPING_FILES}, there or in {MAPPING_FOLDER}/")
    return found
