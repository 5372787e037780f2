"""A search for the settings of the best dev F1: trials, and a database that keeps them."""
