"""Definitions by domain; each package offers `definitions`."""
