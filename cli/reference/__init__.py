"""The files that are generated from the settings' fields: a page for readers, and a schema for editors."""
