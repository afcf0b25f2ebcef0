"""Rules that every stack must follow, as plain functions over its resources: they run without Pulumi."""
