"""Ingestion: the pod of a Meltano run, from which Dagster makes Jobs (`meltano`), and the `accounts` it reads.

It provides nothing to other components: Dagster knows the template by its name.
"""
