"""One database and one role for each service, on a managed PostgreSQL whose master password AWS keeps."""
