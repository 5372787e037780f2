"""Read bytes that nobody vouches for, show them safely, write files that are whole or absent."""
