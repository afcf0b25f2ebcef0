"""Rules that every stack keeps, as plain functions over its resources: no Pulumi is needed to run them."""
