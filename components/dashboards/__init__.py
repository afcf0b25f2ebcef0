"""The dashboards: Superset with its setup Job (`superset`), and the Redis that holds its cache (`cache`).

Provides `ready`, and the provisioned users' `passwords`.
"""
