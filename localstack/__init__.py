"""Everything that stands in for the cloud on one machine: tool chain, Kubernetes node, image registry."""
