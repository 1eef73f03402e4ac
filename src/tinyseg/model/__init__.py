"""The detector: Mask R-CNN in small modules over torchvision.ops and timm. Knows no files, no recipes."""
