"""The position of each stream, and the target's own small tables in the lake."""
