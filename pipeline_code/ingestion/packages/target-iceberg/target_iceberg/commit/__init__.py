"""One load, one snapshot: made, staged, published."""
