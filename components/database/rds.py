"""Amazon RDS for PostgreSQL: the instance, and the Job that makes one database and one role for each service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components import connections, ports, settings
from components.aws import policies
from components.aws.account import Account, tags
from components.aws.identity import WorkloadRole, WorkloadRoleArgs
from components.aws.network import Network
from components.connections import DATABASE_AUTHORITIES, Platform
from components.database import authorities
from components.kubernetes import pods, workloads
from components.kubernetes.labels import Identity
from components.kubernetes.pods import Container
from components.kubernetes.trust import authority_mounts
from components.settings import Size, mebibytes

PORT = ports.POSTGRES
COMPONENT = "database"
MASTER = "headwater"
VERSION = "1"
SECRET = "database-credentials"  # noqa: S105 - the object's name
SECRETS = "/run/secrets/database"
ACCOUNT = "database-init"
AUTHORITIES = "database-authorities"
INSIGHTS_DAYS = 7
LOGS = ("postgresql", "upgrade")
# In UTC: of backups, and of the restarts that AWS plans.
WINDOWS = ("01:00-02:00", "sun:03:00-sun:04:00")


@dataclass(frozen=True)
class RdsArgs:
    """Where, how large, for which services. key: what encrypts volume, snapshots and the master password.

    namespace: the platform's, by name.
    """

    account: Account
    network: Network
    cluster: pulumi.Input[str]
    namespace: str
    key: pulumi.Input[str]
    platform: Platform
    services: Sequence[str]
    settings: settings.Database


class Rds(pulumi.ComponentResource):
    """The instance with all databases and roles; `connection(service)` is what a service gets."""

    def __init__(self, name: str, args: RdsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headwater:aws:Database", name, None, opts)
        self._args, self._child = args, args.account.child(self)
        instance = self._instance(self._parameters(), self._subnets(), self._security_group())
        self.host: pulumi.Output[str] = instance.address
        self._passwords = {role: args.platform.credentials.get(f"postgres-{role}") for role in args.services}
        self._authorities = self._trusted()
        self._ready: tuple[pulumi.Resource, ...] = (instance, *self._authorities)
        self._ready = (*self._ready, self._initialised(instance))
        self.register_outputs({"host": instance.address})

    def connection(self, service: str) -> connections.Database:
        """Return the database of one of the services; its name, its role and the service's name are the same."""
        return connections.Database(
            host=self.host,
            name=service,
            user=service,
            password=self._passwords[service],
            port=PORT,
            sslmode="verify-full" if self._authorities else "require",
            authorities=AUTHORITIES if self._authorities else None,
            ready=self._ready,
        )

    def _trusted(self) -> tuple[pulumi.Resource, ...]:
        """Make the ConfigMap of the authorities that clients trust; nothing where they only encrypt."""
        file = self._args.settings.ca_bundle
        if file is None:
            return ()
        identity = Identity("database", "authorities", VERSION, self._args.platform.namespace)
        known = {DATABASE_AUTHORITIES: authorities.bundle(file)}
        return (workloads.config_map(AUTHORITIES, identity, known, pulumi.ResourceOptions(parent=self)),)

    def _parameters(self) -> aws.rds.ParameterGroup:
        version = self._args.settings.version
        forced = {"rds.force_ssl": "1", "log_min_duration_statement": "5000", "log_connections": "1"}
        return aws.rds.ParameterGroup(
            "database-parameters",
            name=self._args.account.name("postgres", version),
            family=f"postgres{version}",
            description=f"TLS for every connection to {self._args.account.name('database')}",
            parameters=[
                aws.rds.ParameterGroupParameterArgs(name=name, value=value, apply_method="immediate")
                for name, value in forced.items()
            ],
            tags=tags(COMPONENT),
            opts=self._child,
        )

    def _subnets(self) -> aws.rds.SubnetGroup:
        return aws.rds.SubnetGroup(
            "database-subnets",
            name=self._args.account.name("database"),
            description="Private subnets",
            subnet_ids=self._args.network.private_subnet_ids,
            tags=tags(COMPONENT),
            opts=self._child,
        )

    def _security_group(self) -> aws.ec2.SecurityGroup:
        group = aws.ec2.SecurityGroup(
            "database-group",
            name=self._args.account.name("database"),
            description="PostgreSQL, from the cluster's nodes only",
            vpc_id=self._args.network.vpc_id,
            tags=tags(COMPONENT, self._args.account.name("database")),
            opts=self._child,
        )
        aws.vpc.SecurityGroupIngressRule(
            "database-from-nodes",
            security_group_id=group.id,
            referenced_security_group_id=self._args.network.nodes.id,
            description="PostgreSQL from the cluster's nodes",
            ip_protocol="tcp",
            from_port=PORT,
            to_port=PORT,
            tags=tags(COMPONENT),
            opts=self._child,
        )
        return group

    def _instance(
        self, parameters: aws.rds.ParameterGroup, subnets: aws.rds.SubnetGroup, group: aws.ec2.SecurityGroup
    ) -> aws.rds.Instance:
        account, configured = self._args.account, self._args.settings
        protected = account.settings.deletion_protection
        identifier = account.name("database")
        # A database that is stopped makes no backup and is not maintained.
        schedule = account.settings.schedule
        backup, maintenance = WINDOWS if schedule is None else schedule.windows
        # RDS writes to the groups of these names, and would make them without an end to their retention.
        logs = [
            aws.cloudwatch.LogGroup(
                f"database-{kind}-logs",
                name=f"/aws/rds/instance/{identifier}/{kind}",
                retention_in_days=account.settings.retention.log_days,
                kms_key_id=self._args.key,
                tags=tags(COMPONENT),
                opts=self._child,
            )
            for kind in LOGS
        ]
        return aws.rds.Instance(
            "database-instance",
            identifier=identifier,
            engine="postgres",
            engine_version=configured.version,
            auto_minor_version_upgrade=True,
            # The version is a setting: whoever raises it means it.
            allow_major_version_upgrade=True,
            instance_class=configured.instance_class,
            allocated_storage=mebibytes(configured.size) // 1024,
            max_allocated_storage=mebibytes(configured.max_size) // 1024,
            storage_type="gp3",
            storage_encrypted=True,
            kms_key_id=self._args.key,
            username=MASTER,
            manage_master_user_password=True,
            master_user_secret_kms_key_id=self._args.key,
            port=PORT,
            multi_az=configured.multi_az,
            publicly_accessible=False,
            db_subnet_group_name=subnets.name,
            vpc_security_group_ids=[group.id],
            parameter_group_name=parameters.name,
            backup_retention_period=account.settings.retention.backup_days,
            backup_window=backup,
            maintenance_window=maintenance,
            copy_tags_to_snapshot=True,
            delete_automated_backups=not protected,
            deletion_protection=protected,
            skip_final_snapshot=not protected,
            final_snapshot_identifier=account.name("database", "final") if protected else None,
            performance_insights_enabled=True,
            performance_insights_kms_key_id=self._args.key,
            performance_insights_retention_period=INSIGHTS_DAYS,
            enabled_cloudwatch_logs_exports=list(LOGS),
            tags=tags(COMPONENT),
            opts=account.child(self, *logs, holds_data=True),
        )

    def _initialised(self, instance: aws.rds.Instance) -> pulumi.Resource:
        """Make databases and roles; the Job asks Secrets Manager for the master password as itself."""
        args = self._args
        child = pulumi.ResourceOptions(parent=self)
        identity = Identity("database", "init", VERSION, args.platform.namespace)
        master = instance.master_user_secrets[0]["secret_arn"]
        policy = pulumi.Output.all(master, args.key).apply(
            lambda known: policies.document(policies.secret_access(known[0], known[1]))
        )
        role = WorkloadRole(
            ACCOUNT,
            WorkloadRoleArgs(args.account, args.cluster, args.namespace, ACCOUNT, policy),
            child,
        )
        secret = workloads.secret(SECRET, identity, self._passwords, child)
        return workloads.job(
            "database-init",
            identity,
            init_container(
                args.platform.image("database"),
                args.platform.sizes.database_init,
                {"PGHOST": instance.address, "MASTER_SECRET_ARN": master, "AWS_REGION": args.account.region},
                list(args.services),
                self.connection(args.services[0]),
            ),
            pulumi.ResourceOptions(parent=self, depends_on=[*self._ready, secret, *role.ready]),
            service_account=workloads.service_account(ACCOUNT, identity, child),
            configuration=workloads.secrets_hash(self._passwords),
            new_pod_each_try=True,
        )


def init_container(
    image: pulumi.Input[str],
    size: Size,
    place: Mapping[str, pulumi.Input[str]],
    services: Sequence[str],
    any_of_them: connections.Database,
) -> Container:
    """Return the container that makes or corrects databases, roles and passwords. Safe to repeat.

    any_of_them: one of the databases, all on one server; it says how the server is reached by TLS.
    """
    # Passwords, and the server's authorities, are files.
    files = [pods.secret_files(SECRETS, SECRET, list(services)), *authority_mounts(any_of_them)]
    return Container(
        name="init",
        image=image,
        size=size,
        command=["python", "-m", "service_databases"],
        args=list(services),
        environment={**place, "PGPORT": str(PORT), "PGDATABASE": "postgres", **any_of_them.libpq_environment()},
        mounts=[pods.tmp(), *files],
    )
