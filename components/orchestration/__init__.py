"""Orchestration: Dagster's servers, what they may do in the cluster, and what their run pods get (`dagster`).

Provides `ready`: what must exist before the pages work.
"""
