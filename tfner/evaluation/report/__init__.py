"""Show scores and errors as JSON, table and page."""
