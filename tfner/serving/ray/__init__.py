"""Prediction on many machines: an export applied to a dataset of Ray."""

from tfner.serving.ray.marking import mark

__all__ = ["mark"]
