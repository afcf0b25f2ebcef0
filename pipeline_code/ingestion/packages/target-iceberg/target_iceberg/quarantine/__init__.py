"""Rows that no table can hold, and how they get into their table later."""
