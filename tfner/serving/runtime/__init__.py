"""Answer questions in this process: what `load` gives."""
