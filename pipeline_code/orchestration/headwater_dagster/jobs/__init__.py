"""Kubernetes Jobs made from the template of a CronJob: start, follow, judge, clean up."""
