"""What a submission has to keep, rule by rule, and the record of one place where it does not.

The form: CSV with the header `ImageId,LabelId,PixelCount,Confidence,EncodedPixels` and one row an
instance. Rows are counted as an editor does: the header is row 1. A warning is what a file may
have and still be right; everything else makes it a wrong one.
"""

from dataclasses import dataclass
from enum import StrEnum

COLUMNS = ("ImageId", "LabelId", "PixelCount", "Confidence", "EncodedPixels")
HEADER = ",".join(COLUMNS)

FRAME_HW = (2710, 3384)
"""Height and width of the challenge's frames."""

MAX_ROW_BYTES = 2**26
"""A checkerboard over a whole frame of the challenge takes less."""


class Rule(StrEnum):
    """The rules; the names are for programs, the values for people."""

    encoding = "the file is text in UTF-8"
    byte_order_mark = "the file begins with its header, not with a byte order mark"
    header = f"row 1 is the header {HEADER}"
    header_again = "the header is row 1 alone"
    line_end = "rows end with a line feed alone"
    row_bytes = f"a row has at most {MAX_ROW_BYTES} bytes"
    field_count = "a row has five fields"
    quotes = "fields stand without quotes"
    image_id = "ImageId is a picture's name, without folder, ending and spaces"
    unknown_image = "ImageId is one of the test pictures"
    label_id = "LabelId is one of the seven scored classes"
    pixel_count = "PixelCount is a whole number, at least 1"
    pixel_sum = "PixelCount is the sum of the run lengths"
    confidence = "Confidence is a decimal number"
    confidence_range = "Confidence is above 0 and at most 1"
    no_runs = "an instance has at least one run"
    run_form = "runs are written 'start length|'"
    last_bar = "the last run ends with '|' too"
    run_length = "a run has at least one pixel"
    run_order = "runs ascend"
    run_overlap = "the runs of an instance do not overlap"
    run_end = "runs end within the frame"
    duplicate = "an instance comes once"
    overlap = "a pixel belongs to one instance of its frame"
    apart_overlap = "a frame's rows stand together, so that its overlaps can be seen"

    last_line_end = "the last row ends with a line feed, or the file was cut there"
    apart = "a frame's rows stand together"
    not_md5 = "the challenge's ImageIds are 32 hexadecimal digits"
    column_major = "runs go along the rows; these make a compact mask only down the columns"
    one_based = "runs count from 0; these look counted from 1"
    missing_frame = "each test picture has at least one row"


WARNINGS = frozenset(
    {
        Rule.last_line_end,
        Rule.apart,
        Rule.not_md5,
        Rule.column_major,
        Rule.one_based,
        Rule.missing_frame,
    }
)
"""Rules that a right file may break."""


@dataclass(frozen=True, slots=True)
class RowFault:
    """A rule that is broken in one place: the row, 1 being the header, and the column.

    No row is meant where it is the file as a whole, no column where it is the row.
    """

    rule: Rule
    row: int | None = None
    column: str | None = None
    expected: str | None = None
    got: str | None = None

    @property
    def is_warning(self) -> bool:
        """Whether the file may be right all the same."""
        return self.rule in WARNINGS


def shown(text: str) -> str:
    """A value as it stands in the file, cut to be readable."""
    return repr(text if len(text) <= 40 else f"{text[:24]}...{text[-12:]}")
