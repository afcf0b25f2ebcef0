"""Everything that replaces the cloud on one machine: tool chain, Kubernetes node, image registry."""
