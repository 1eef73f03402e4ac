"""The README's picture: an overlay of `make demo` made smaller, without the upper sky.

python docs/scene.py demo-out/found/synth_000001_Camera_6_overlay.jpg docs/scene.jpg
"""

import sys
from pathlib import Path

import cv2

from tinyseg.image import read_image, write_jpeg

WIDTH = 1200
SKY = 0.2
"""Share of the overlay's height that shows nothing but sky."""


def main(overlay: Path, out: Path) -> None:
    """Read, cut, shrink, write."""
    picture = read_image(overlay)
    below = picture[round(SKY * picture.shape[0]) :]
    height = below.shape[0] * WIDTH // below.shape[1]
    write_jpeg(out, cv2.resize(below, (WIDTH, height), interpolation=cv2.INTER_AREA))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
