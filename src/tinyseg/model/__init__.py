"""The detector: Mask R-CNN in small modules. Knows no files and no recipes."""
