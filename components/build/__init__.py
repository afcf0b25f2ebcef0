"""A module kept only for its name, to which states refer: see `components/images/provider.py`."""
