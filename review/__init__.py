"""What the reviewer of a change sees: a summary of the preview, broken rules, the monthly cost."""
