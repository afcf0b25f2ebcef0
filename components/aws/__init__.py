"""The AWS account: its provider and names, policies, roles and keys, network, load balancer, alarms, budget.

Provides `Account`, which every component on AWS uses, and building blocks such as `Bucket` and `WorkloadRole`.
"""
