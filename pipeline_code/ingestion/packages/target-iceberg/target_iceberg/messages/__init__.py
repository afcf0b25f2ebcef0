"""What comes in: Singer messages, BATCH files and named pipes."""
