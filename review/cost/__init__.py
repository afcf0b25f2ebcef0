"""The monthly cost, estimated from a stack's own resources and a table of list prices."""
