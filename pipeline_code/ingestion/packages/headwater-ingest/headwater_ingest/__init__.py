"""Runs Meltano once for chosen streams and reports what each of them loaded."""
