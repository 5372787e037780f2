"""Read and write bytes that nobody vouches for: bounded reads, JSON, YAML, terminal-safe text, portable names, whole files."""
