"""Prediction on many machines: an export applied to a DataFrame of Apache Spark."""

from tfner.serving.spark.marking import Counts, mark

__all__ = ["Counts", "mark"]
