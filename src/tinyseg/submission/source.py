"""Predictions files -> frames, one at a time, so that a file of any length can be written on.

In: files that `tinyseg predict` wrote. Out: Predictions of one frame each, checked
as `read_predictions` checks them. Refused: a file whose images come after its annotations, or
whose annotations of one image do not stand together; ours are never like that.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TextIO

from tinyseg.errors import PredictionsError
from tinyseg.predictions import Predictions, from_document

_PIECE = 2**20
_decoder = json.JSONDecoder()


@dataclass(slots=True)
class _Text:
    """A JSON text of which a piece is held; values are taken from its front."""

    file: TextIO
    held: str = ""
    at: int = 0

    def more(self) -> bool:
        """Hold another piece; false at the end of the file."""
        piece = self.file.read(_PIECE)
        self.held, self.at = self.held[self.at :] + piece, 0
        return bool(piece)

    def next_sign(self) -> str:
        """The next character that is no space, left where it is; "" at the end."""
        while True:
            while self.at < len(self.held) and self.held[self.at] in " \t\r\n":
                self.at += 1
            if self.at < len(self.held):
                return self.held[self.at]
            if not self.more():
                return ""

    def take(self, signs: str) -> str:
        """The next character, which is one of these."""
        sign = self.next_sign()
        if not sign or sign not in signs:
            got = "the end of the file" if not sign else repr(sign)
            raise PredictionsError("is not JSON", expected=" or ".join(signs), got=got)
        self.at += 1
        return sign

    def value(self) -> object:
        """The next value, whole."""
        self.next_sign()
        while True:
            try:
                value, end = _decoder.raw_decode(self.held, self.at)
            except json.JSONDecodeError:
                if self.more():
                    continue
                raise PredictionsError("is not JSON") from None
            except RecursionError:
                raise PredictionsError("is nested too deeply") from None
            size = end - self.at
            # A number at the end of what is held may go on.
            if end < len(self.held) or not self.more():
                self.at += size
                return value

    def items(self) -> Iterator[object]:
        """The values of a list, one at a time."""
        self.take("[")
        if self.next_sign() == "]":
            self.take("]")
            return
        while True:
            yield self.value()
            if self.take(",]") == "]":
                return


def count_frames(path: Path) -> int:
    """How many frames a predictions file has; its masks are not read."""
    with _opened(path) as text:
        return len(_read_head(text).images)


def stream_predictions(path: Path) -> Iterator[Predictions]:
    """The frames of a predictions file, one at a time; those without instances last.

    Raises PredictionsError, when it is met, for whatever `read_predictions` refuses in a frame.
    """
    with _opened(path) as text:
        head = _read_head(text)
        for image_id, rows in groupby(text.items(), _image_id):
            image = head.images.pop(image_id, None)
            if image is None:
                rule = "annotations name an image, and those of one image stand together"
                raise PredictionsError(rule, got=f"image_id {image_id}")
            yield head.document(image, list(rows))
        for image in head.images.values():
            yield head.document(image, [])


@dataclass(frozen=True, slots=True)
class _Head:
    """What a file says before its annotations: info, categories, and images by id."""

    fields: dict[str, object]
    images: dict[object, object]

    def document(self, image: object, annotations: list[object]) -> Predictions:
        """One frame as a predictions file of its own."""
        return from_document({**self.fields, "images": [image], "annotations": annotations})


def _read_head(text: _Text) -> _Head:
    """Everything up to the list of annotations, which is next."""
    fields: dict[str, object] = {}
    before = "{"
    while True:
        text.take(before)
        key, before = text.value(), ","
        text.take(":")
        if key == "annotations":
            break
        fields[str(key)] = text.value()
    images = fields.pop("images", None)
    if not isinstance(images, list) or not all(isinstance(image, dict) for image in images):
        raise PredictionsError("needs the list 'images' before 'annotations'")
    by_id = {image.get("id"): image for image in images}
    if len(by_id) != len(images):
        raise PredictionsError("each id comes once", where="images")
    return _Head(fields, by_id)


def _image_id(row: object) -> object:
    return row.get("image_id") if isinstance(row, dict) else None


@contextmanager
def _opened(path: Path) -> Iterator[_Text]:
    """The file as text; every failure becomes an error that names it."""
    try:
        with path.open(encoding="utf-8") as file:
            yield _Text(file)
    except PredictionsError as error:
        raise error.at(path=path) from error.__cause__
    except OSError as error:
        raise PredictionsError("cannot be read", path=path, got=error.strerror) from error
    except UnicodeDecodeError:
        raise PredictionsError("is not text in UTF-8", path=path) from None
