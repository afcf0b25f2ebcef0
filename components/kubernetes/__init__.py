"""What all workloads share: identity and labels, pods, probes, storage, services, network policy."""
