"""Resources that AWS may keep after `pulumi destroy`, each with the command that lists it."""

from __future__ import annotations

from components.aws.account import Account


def leftovers(account: Account) -> list[str]:
    """Return commands of the AWS CLI; each answers `[]` where nothing was left behind.

    Volumes are deleted by the cluster, which may be gone before it is done; log groups are made anew by services that
    write late; snapshots are those that people took.
    """
    name, region = account.name(), f"--region {account.region}"
    database = account.name("database")
    # The pattern of CloudWatch finds the name anywhere: in those of other stacks, too.
    beginnings = (*account.log_groups, account.database_log_groups)
    own = " || ".join(f"starts_with(logGroupName, '{each}')" for each in beginnings)
    return [
        f"aws ec2 describe-volumes {region} --filters Name=tag:eks:eks-cluster-name,Values={name} "
        "--query 'Volumes[].VolumeId'",
        f"aws logs describe-log-groups {region} --log-group-name-pattern {name} "
        f'--query "logGroups[?{own}].logGroupName"',
        f"aws rds describe-db-snapshots {region} --db-instance-identifier {database} "
        "--query 'DBSnapshots[].DBSnapshotIdentifier'",
    ]
