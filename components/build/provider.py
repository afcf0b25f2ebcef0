"""The name under which a stack's state refers to the provider of its images; the provider is in `components/images/`.

Do not remove this module: without it, no stack on one machine could change or delete its images.
"""

from components.images.provider import BuildahProvider

__all__ = ["BuildahProvider"]
