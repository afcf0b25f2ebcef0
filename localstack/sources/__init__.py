"""Sources of your own: `make source` adds a database to the platform, and takes it back."""
