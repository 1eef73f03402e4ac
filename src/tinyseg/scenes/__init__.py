"""Rendered street scenes: the project's embedded data, drawn with numpy and OpenCV.

In: a seed, a frame number, a size. Out: an RGB frame and its label in the WAD's code, or files in
the WAD's layout.

scene.py      render_scene: one frame; write_wad: many, as files
plan.py       what a scene holds, in metres     catalogue.py  the classes: sizes, places, who draws
canvas.py     metres -> pixels: picture and labels, from far to near; clutter that may hide things
light.py      weather and time of day           finish.py     what the camera adds
the street:   backdrop.py, surface.py, buildings.py, greenery.py, clutter.py
parts.py      parts of a solid, of which are made: cars.py, vehicles.py, people.py
"""

from tinyseg.scenes.scene import Scene, render_scene, write_wad

__all__ = ["Scene", "render_scene", "write_wad"]
