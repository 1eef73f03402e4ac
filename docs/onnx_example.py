"""A picture through an exported network, without tinyseg: numpy, onnxruntime and Pillow alone.

    tinyseg export tinyseg-lite --out lite.onnx
    python onnx_example.py lite.onnx photo.jpg > found.json

Out comes a list in COCO's form: class, score, box, and the mask as run lengths. The network looks
once; `tinyseg predict` also looks closer where small objects are, merges what was found twice, and
calibrates scores, which are higher here.
"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

OUTPUTS = ["boxes", "scores", "labels", "masks", "image"]


def main(network: str, picture: str) -> None:
    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])
    image = np.asarray(ImageOps.exif_transpose(Image.open(picture)).convert("RGB"))
    # Pictures of one size may go together; `which` says whose a row is.
    rows = zip(*session.run(OUTPUTS, {"images": image[None]}), strict=True)
    found = []
    for box, score, label, grid, which in rows:
        x0, y0, x1, y1 = box.tolist()
        found.append(
            {
                "image_id": int(which),
                "category": classes[label],
                "score": round(float(score), 4),
                "bbox": [x0, y0, x1 - x0, y1 - y0],
                "segmentation": run_lengths(grid, box, image.shape[:2]),
            }
        )
    print(json.dumps(found))


def run_lengths(grid: np.ndarray, box: np.ndarray, hw: tuple[int, int]) -> dict[str, object]:
    """The mask of a 28 x 28 grid of shares: stretched over its box, and cut at one half."""
    first, last, rows = shares(box[1], box[3], len(grid), hw[0])
    left, right, columns = shares(box[0], box[2], len(grid), hw[1])
    mask = np.zeros(hw, bool)
    mask[first:last, left:right] = rows @ grid @ columns.T >= 0.5
    flat = mask.ravel(order="F")  # column by column; the first run is of zeros
    changes = np.flatnonzero(np.diff(flat, prepend=False))
    return {"size": list(hw), "counts": np.diff([0, *changes, flat.size]).tolist()}


def shares(low: float, high: float, cells: int, length: int) -> tuple[int, int, np.ndarray]:
    """The pixels of an axis that a box reaches, and how much of each cell's value each takes."""
    first, last = max(int(low), 0), min(int(np.ceil(high)), length)
    at = (np.arange(first, last) + 0.5 - low) / max(high - low, 1e-6) * cells - 0.5
    return first, last, np.clip(1 - np.abs(at[:, None] - np.arange(cells)), 0, 1)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
