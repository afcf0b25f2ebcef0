"""Singer target that loads streams into Apache Iceberg tables, one commit a stream."""
