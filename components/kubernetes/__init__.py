"""What all workloads share: labels, pods, probes, Jobs, CronJobs, roles, services, network policies."""
