"""Turn text into pieces with exact offsets, in graph."""
