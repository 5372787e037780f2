"""Read and write tag schemes, flatten spans, put entities on words."""
