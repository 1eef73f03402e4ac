"""Synthetic street scenes: the project's embedded data, drawn with numpy and OpenCV.

Comes in: a seed, a frame number, a size. Goes out: an RGB frame and its label in the WAD's code,
or files in the WAD's layout. How it works: plan.py places things in metres, camera.py projects,
canvas.py paints far to near; backdrop, buildings, clutter, vehicles and people draw.
"""

from tinyseg.data.synthetic.files import write_wad
from tinyseg.data.synthetic.scene import Scene, render_scene

__all__ = ["Scene", "render_scene", "write_wad"]
