"""Rows that no table can hold, and their way back."""
