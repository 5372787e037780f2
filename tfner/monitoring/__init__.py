"""Tell what a run does: events, progress, metrics of steps, waiting for input."""
