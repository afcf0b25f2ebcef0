"""The parts of the platform, one Pulumi component a file; `__main__.py` chooses and wires them."""
