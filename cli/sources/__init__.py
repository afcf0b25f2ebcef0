"""Your own sources: `make source` adds a database or files to the platform, and removes them."""
