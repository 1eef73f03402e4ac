"""Frames in, their instances out: through the views of a plan, a detector, and a merger."""

from tinyseg.predict.predictor import Predictor, default_plan, load_predictor

__all__ = ["Predictor", "default_plan", "load_predictor"]
