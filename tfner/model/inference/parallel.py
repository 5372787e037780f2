"""Say how many passes of the encoder are under way at once."""

# One pass fills the processors that an operation of the other leaves idle. Memory is that of two.
PARALLEL_PASSES = 2
