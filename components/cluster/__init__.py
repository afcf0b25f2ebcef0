"""The Kubernetes cluster: the one in a kubeconfig (`kubeconfig`), or Amazon EKS (`eks`) with its `nodes`.

Both provide a Pulumi provider for what runs in the cluster. `admission` lets no pod start on EKS without its identity.
"""
