"""Instances of several views and models -> the frame's."""

from tinyseg.merge.suppress import suppress

__all__ = ["suppress"]
