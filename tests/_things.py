"""Pictures of bright rectangles, and networks of other libraries that find them."""

from types import SimpleNamespace

import cv2
import numpy as np
import torch
from jaxtyping import Bool, UInt8

Image = UInt8[np.ndarray, "_h _w 3"]
GREY, BRIGHT = 90, 255


def picture(hw: tuple[int, int], *boxes: tuple[int, int, int, int]) -> Image:
    """Bright rectangles x0, y0, x1, y1 on grey."""
    image = np.full((*hw, 3), GREY, np.uint8)
    for x0, y0, x1, y1 in boxes:
        image[y0:y1, x0:x1] = BRIGHT
    return image


def found_in(image: Image) -> list[Bool[np.ndarray, "h w"]]:
    """One bitmap for each bright thing."""
    bright = (image.min(axis=2) > 180).astype(np.uint8)
    count, parts = cv2.connectedComponents(bright, connectivity=4)
    return [parts == i for i in range(1, count)]


def edges(mask: Bool[np.ndarray, "h w"]) -> list[float]:
    """The box around a bitmap, half open."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return [float(v) for v in (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)]


def as_torchvision(image: Image) -> dict[str, torch.Tensor]:
    """All of class 3, as torchvision's detection networks answer."""
    masks = found_in(image)
    n = len(masks)
    dense = np.array(masks, np.float32).reshape(n, 1, *image.shape[:2])
    return {
        "boxes": torch.tensor([edges(m) for m in masks], dtype=torch.float32).reshape(n, 4),
        "labels": torch.full((n,), 3),
        "scores": torch.full((n,), 0.9),
        "masks": torch.from_numpy(dense),
    }


def as_supervision(image: Image) -> SimpleNamespace:
    """As supervision's Detections, which RF-DETR answers with too."""
    masks = found_in(image)
    return SimpleNamespace(
        xyxy=np.array([edges(m) for m in masks], np.float32).reshape(-1, 4),
        mask=np.array(masks).reshape(-1, *image.shape[:2]),
        class_id=np.full(len(masks), 3),
        confidence=np.full(len(masks), 0.9, np.float32),
    )


def as_ultralytics(image: Image) -> list[SimpleNamespace]:
    """As Ultralytics' Results: masks lie in the letterboxed input, here of 64 x 64 pixels."""
    masks = found_in(image)
    height, width = image.shape[:2]
    size = max(height, width)
    over_y, over_x = (size - height) // 2, (size - width) // 2
    square = np.zeros((len(masks), size, size), np.float32)
    square[:, over_y : over_y + height, over_x : over_x + width] = np.array(masks).reshape(
        -1, height, width
    )
    boxes = SimpleNamespace(
        xyxy=torch.tensor([edges(m) for m in masks]).reshape(-1, 4),
        cls=torch.full((len(masks),), 3.0),
        conf=torch.full((len(masks),), 0.9),
    )
    data = SimpleNamespace(data=torch.from_numpy(square))
    return [SimpleNamespace(boxes=boxes, masks=data if masks else None, names={3: "car"})]


def as_segments(image: Image) -> dict[str, object]:
    """As transformers' post_process_instance_segmentation: a map of segment ids."""
    masks = found_in(image)
    pixels = np.full(image.shape[:2], -1)
    for i, mask in enumerate(masks):
        pixels[mask] = i
    told = [{"id": i, "label_id": 3, "score": 0.9} for i in range(len(masks))]
    return {"segmentation": torch.from_numpy(pixels), "segments_info": told}


def as_bitmaps(image: Image) -> dict[str, object]:
    """The same with return_binary_maps."""
    told = [{"id": i, "label_id": 3, "score": 0.9} for i in range(len(found_in(image)))]
    return {"segmentation": np.array(found_in(image)), "segments_info": told}
