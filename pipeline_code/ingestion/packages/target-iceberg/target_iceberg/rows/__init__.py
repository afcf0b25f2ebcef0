"""Rows on their way to a table: columns and types, contract, drift, what does not fit."""
