"""Keep what a run has done on disk: checkpoints, lock, run folder."""
