"""Prediction on many machines: an Apache Beam pipeline around an export."""
