"""The commands of `make`, and what they need of a running platform."""
