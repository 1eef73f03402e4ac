"""The README's picture: an overlay of `make demo`, and its horizon below at full resolution.

    python docs/scene.py demo/found/synth_000000_Camera_5_overlay.jpg docs/scene.jpg
"""

import sys
from pathlib import Path

import cv2
import numpy as np

from tinyseg.image import read_image, write_jpeg

WIDTH = 1400
"""Pixels across the picture, and of the frame that the lower part shows."""


def main(overlay: Path, out: Path, left: int = 900, middle: int = 1400, height: int = 420) -> None:
    """The frame made smaller, a line, and the part whose middle row is `middle`."""
    frame = read_image(overlay)
    rows = frame.shape[0] * WIDTH // frame.shape[1]
    small = cv2.resize(frame, (WIDTH, rows), interpolation=cv2.INTER_AREA)
    top = middle - height // 2
    near = frame[top : top + height, left : left + WIDTH]
    line = np.full((6, WIDTH, 3), 255, np.uint8)
    sky = rows // 4  # nothing is in the upper rows
    write_jpeg(out, np.concatenate([small[sky : rows - sky // 2], line, near]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *(int(word) for word in sys.argv[3:]))
