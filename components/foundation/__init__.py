"""The infrastructure of a stack: cluster, images, database, object store and catalog, on one machine or on AWS.

Provides `Foundation`, which `make_foundation` makes from the stack's settings. `one_machine` and `on_aws` make its
parts; they take the variant of each role from its folder.
"""

from components.foundation.foundation import Foundation, make_foundation

__all__ = ["Foundation", "make_foundation"]
