"""The load balancer in front of Superset and Dagster: HTTPS only, known networks only, Dagster behind a login."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as k8s

from components import settings
from components.aws.account import Account, tags
from components.aws.bucket import Bucket
from components.aws.certificate import COMPONENT, Certificate
from components.aws.network import ANYWHERE, HTTPS, Network
from components.connections import Balancer

HTTP = 80
# TLS 1.3 and 1.2, forward secrecy and authenticated ciphers only.
TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
LOGS_PREFIX = "load-balancer"
# Above the 150 s after which Superset itself gives up a request.
IDLE_SECONDS = 180
# A working day; then the identity provider is asked again.
SESSION_SECONDS = 12 * 3600
DRAIN_SECONDS = 30
LONGEST_NAME = 32

Group = aws.ec2.SecurityGroup
Ingress, Egress = aws.vpc.SecurityGroupIngressRule, aws.vpc.SecurityGroupEgressRule
Rule = aws.vpc.SecurityGroupIngressRule | aws.vpc.SecurityGroupEgressRule


@dataclass(frozen=True)
class Target:
    """A Service of the cluster. port: its pods'. health: a path that answers 200 without a login.

    ready: what must be there before the Service has pods. client: of the identity provider, where the load balancer
    asks for a login before it lets anybody through; None where the service has a login of its own.
    """

    port: int
    health: str
    ready: Sequence[pulumi.Resource]
    client: tuple[str, pulumi.Output[str]] | None = None


@dataclass(frozen=True)
class LoadBalancerArgs:
    """targets: service → what is behind its name. logs: the bucket of access logs. cluster: whose pods they are."""

    account: Account
    settings: settings.Serving
    network: Network
    balancer: Balancer
    targets: Mapping[str, Target]
    logs: Bucket
    cluster: str
    namespace: pulumi.Input[str]


class LoadBalancer(pulumi.ComponentResource):
    """The load balancer with its names; `dns_name` is what records kept elsewhere point to.

    certificate: ARN of the one that browsers are shown.
    """

    def __init__(self, name: str, args: LoadBalancerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headwater:aws:LoadBalancer", name, None, opts)
        self._args, self._account, self._child = args, args.account, args.account.child(self)
        group = self._security_group()
        made = aws.lb.LoadBalancer(
            "load-balancer",
            name=short(args.account.name()),
            load_balancer_type="application",
            internal=args.settings.scheme == "internal",
            subnets=args.network.load_balancer_subnets(args.settings.scheme),
            security_groups=[group.id],
            idle_timeout=IDLE_SECONDS,
            drop_invalid_header_fields=True,
            enable_deletion_protection=args.account.settings.deletion_protection,
            access_logs=aws.lb.LoadBalancerAccessLogsArgs(bucket=args.logs.name, prefix=LOGS_PREFIX, enabled=True),
            tags=tags(COMPONENT, args.account.name()),
            opts=args.account.child(self, *args.logs.ready, *args.network.ready),
        )
        self.certificate = self._certificate()
        listener = self._listeners(made, self.certificate)
        for priority, (service, target) in enumerate(sorted(args.targets.items()), start=1):
            self._serve(priority, service, target, listener)
        if args.settings.zone is not None:
            for service in sorted(args.targets):
                self._record(service, args.settings.zone, made)
        self.dns_name: pulumi.Output[str] = made.dns_name
        self.register_outputs({"dns_name": made.dns_name})

    def _security_group(self) -> Group:
        name = self._account.name("load-balancer")
        group = Group(
            "load-balancer-group",
            name=name,
            description="HTTPS from the networks that may connect",
            vpc_id=self._args.network.vpc_id,
            tags=tags(COMPONENT, name),
            opts=self._child,
        )
        for number, cidr in enumerate(self._args.settings.allow):
            why = "HTTPS from a network that may connect"
            self._allow(Ingress, group, HTTPS, cidr, name=f"load-balancer-https-{number}", why=why)
            why = "HTTP that is sent on to HTTPS"
            self._allow(Ingress, group, HTTP, cidr, name=f"load-balancer-http-{number}", why=why)
        why = "The load balancer asks the identity provider who has logged in"
        self._allow(Egress, group, HTTPS, ANYWHERE, name="load-balancer-to-provider", why=why)
        nodes = self._args.network.nodes
        for service, target in sorted(self._args.targets.items()):
            why = f"The load balancer reaches {service}"
            self._allow(Egress, group, target.port, nodes, name=f"load-balancer-to-{service}", why=why)
            why = f"{service} from the load balancer"
            self._allow(Ingress, nodes, target.port, group, name=f"{service}-from-load-balancer", why=why)
        return group

    def _allow(self, kind: type[Rule], group: Group, port: int, peer: str | Group, *, name: str, why: str) -> None:
        """Allow TCP on a port, in or out of `group` as the rule's kind says; peer: a network or another group."""
        kind(
            name,
            security_group_id=group.id,
            description=why,
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            cidr_ipv4=peer if isinstance(peer, str) else None,
            referenced_security_group_id=None if isinstance(peer, str) else peer.id,
            tags=tags(COMPONENT),
            opts=self._child,
        )

    def _certificate(self) -> pulumi.Input[str]:
        configured, hosts = self._args.settings, [self._args.balancer.host(name) for name in sorted(self._args.targets)]
        if configured.certificate is not None:
            return configured.certificate
        if configured.zone is None:
            raise ValueError("a certificate is named or validated in a zone; settings.parse has checked it")
        parent = pulumi.ResourceOptions(parent=self)
        return Certificate("certificate", self._account, configured.zone, hosts, parent).arn

    def _listeners(self, made: aws.lb.LoadBalancer, certificate: pulumi.Input[str]) -> aws.lb.Listener:
        redirect = aws.lb.ListenerDefaultActionRedirectArgs(
            status_code="HTTP_301", protocol="HTTPS", port=str(HTTPS), host="#{host}", path="/#{path}", query="#{query}"
        )
        aws.lb.Listener(
            "http",
            load_balancer_arn=made.arn,
            port=HTTP,
            protocol="HTTP",
            default_actions=[aws.lb.ListenerDefaultActionArgs(type="redirect", redirect=redirect)],
            tags=tags(COMPONENT),
            opts=self._child,
        )
        nothing = aws.lb.ListenerDefaultActionFixedResponseArgs(
            content_type="text/plain", status_code="404", message_body="Nothing is served under this name."
        )
        return aws.lb.Listener(
            "https",
            load_balancer_arn=made.arn,
            port=HTTPS,
            protocol="HTTPS",
            ssl_policy=TLS_POLICY,
            certificate_arn=certificate,
            default_actions=[aws.lb.ListenerDefaultActionArgs(type="fixed-response", fixed_response=nothing)],
            tags=tags(COMPONENT),
            opts=self._child,
        )

    def _serve(self, priority: int, service: str, target: Target, listener: aws.lb.Listener) -> None:
        """Send what asks for the service's name to its pods, which EKS registers as they come and go."""
        group = aws.lb.TargetGroup(
            f"{service}-targets",
            name=short(self._account.name(service)),
            target_type="ip",
            port=target.port,
            protocol="HTTP",
            vpc_id=self._args.network.vpc_id,
            deregistration_delay=DRAIN_SECONDS,
            health_check=aws.lb.TargetGroupHealthCheckArgs(path=target.health, matcher="200", interval=15, timeout=10),
            # By this tag the cluster's load balancing knows what is its own to change.
            tags=tags(COMPONENT, self._account.name(service)) | {"eks:eks-cluster-name": self._args.cluster},
            opts=self._child,
        )
        host = aws.lb.ListenerRuleConditionHostHeaderArgs(values=[self._args.balancer.host(service)])
        rule = aws.lb.ListenerRule(
            f"{service}-rule",
            listener_arn=listener.arn,
            priority=priority,
            conditions=[aws.lb.ListenerRuleConditionArgs(host_header=host)],
            actions=self._actions(target, group),
            tags=tags(COMPONENT),
            opts=self._child,
        )
        k8s.apiextensions.CustomResource(
            f"{service}-binding",
            api_version="eks.amazonaws.com/v1",
            kind="TargetGroupBinding",
            metadata=k8s.meta.v1.ObjectMetaArgs(name=service, namespace=self._args.namespace),
            spec={
                "serviceRef": {"name": service, "port": target.port},
                "targetGroupARN": group.arn,
                "targetType": "ip",
            },
            # A health check counts only while a listener uses the group, so its rule comes first.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[rule, *target.ready]),
        )

    def _actions(self, target: Target, group: aws.lb.TargetGroup) -> list[aws.lb.ListenerRuleActionArgs]:
        forward = aws.lb.ListenerRuleActionArgs(
            type="forward", target_group_arn=group.arn, order=1 if target.client is None else 2
        )
        if target.client is None:
            return [forward]
        oidc = self._args.settings.oidc
        if oidc is None:
            raise ValueError("a load balancer has an identity provider; settings.parse has checked it")
        identifier, secret = target.client
        login = aws.lb.ListenerRuleActionAuthenticateOidcArgs(
            issuer=oidc.issuer,
            authorization_endpoint=oidc.authorization_endpoint,
            token_endpoint=oidc.token_endpoint,
            user_info_endpoint=oidc.userinfo_endpoint,
            client_id=identifier,
            client_secret=pulumi.Output.secret(secret),
            scope=" ".join(oidc.scopes),
            on_unauthenticated_request="authenticate",
            session_timeout=SESSION_SECONDS,
        )
        return [aws.lb.ListenerRuleActionArgs(type="authenticate-oidc", authenticate_oidc=login, order=1), forward]

    def _record(self, service: str, zone: str, made: aws.lb.LoadBalancer) -> None:
        aws.route53.Record(
            f"{service}-name",
            zone_id=zone,
            name=self._args.balancer.host(service),
            type="A",
            aliases=[
                aws.route53.RecordAliasArgs(name=made.dns_name, zone_id=made.zone_id, evaluate_target_health=False)
            ],
            opts=self._child,
        )


def short(name: str) -> str:
    """Return the name of a load balancer or target group: the stack's own, cut to 32 letters by a hash of it."""
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[: LONGEST_NAME - 9].rstrip('-')}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
