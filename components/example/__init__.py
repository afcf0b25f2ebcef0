"""The example company's source systems: a shop (`petco`), and stand-ins of the services that it uses (`saas`).

Provides the shop as `source` (a `connections.Database`) and the `services` (`connections.WebService`) to ingestion.
"""
