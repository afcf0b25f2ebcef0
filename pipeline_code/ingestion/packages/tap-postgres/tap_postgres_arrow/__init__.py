"""Singer tap for PostgreSQL that reads through Arrow and keeps every type exact."""
