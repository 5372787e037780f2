"""Ask a server: what `connect` gives."""
