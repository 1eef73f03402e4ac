"""tinyseg: finds and segments the tiny instances of a driving scene, and every larger one too."""

from tinyseg.errors import TinysegError
from tinyseg.frame import Frame, FrameLabels, Instances
from tinyseg.masks import CropMasks
from tinyseg.views import View

__all__ = ["CropMasks", "Frame", "FrameLabels", "Instances", "TinysegError", "View"]
