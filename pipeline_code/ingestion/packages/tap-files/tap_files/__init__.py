"""Files as a source: CSV, JSON lines and Parquet below a local folder or a prefix of an object store."""
