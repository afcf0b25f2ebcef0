"""What `make up` checks and shows before it changes anything."""
