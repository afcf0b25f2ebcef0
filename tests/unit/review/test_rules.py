"""The rules: each fires on a resource made to break it, and no stack breaks any."""

from __future__ import annotations

import json
from typing import Any

import pytest

from review import program
from review.resources import UNKNOWN, Resource
from review.rules import catalogue, workloads
from review.rules.base import Requirements
from tests.unit.review.conftest import bucket, deployment, registered

# On the day when the table of versions was written: no test ends with their support.
PROTECTED = Requirements(deletion_protection=True)


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: Any, resource: Any, **more: Any) -> str:
    return policy({"Effect": "Allow", "Action": action, "Resource": resource, **more})


def open_to_all(**more: Any) -> str:
    return policy({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "s3:GetObject", "Resource": "*", **more})


def service(kind: str, **annotations: str) -> Resource:
    inputs = {"metadata": {"annotations": annotations}, "spec": {"type": kind}}
    return Resource("kubernetes:core/v1:Service", "web", inputs)


RDS = "aws:rds/instance:Instance"
SAFE = {"deletionProtection": True, "skipFinalSnapshot": False, "storageEncrypted": True}
TAGS = dict.fromkeys(("headwater:stack", "headwater:owner", "headwater:cost-center", "headwater:component"), "x")
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EKS = "aws:eks/cluster:Cluster"
SECRETS = {"encryptionConfig": {"resources": ["secrets"]}, "tags": TAGS}
INSIDE = {"service.beta.kubernetes.io/aws-load-balancer-scheme": "internal"}
POD = "spec.template.spec.containers[0]"
HTTPS = {"protocol": "HTTPS", "sslPolicy": "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"}
FORWARD = {"type": "forward", "order": 2.0, "targetGroupArn": UNKNOWN}
LOGIN = {"type": "authenticate-oidc", "order": 1.0, "authenticateOidc": {"onUnauthenticatedRequest": "authenticate"}}
OPTIONAL_LOGIN = {**LOGIN, "authenticateOidc": {"onUnauthenticatedRequest": "allow"}}
TO_HTTPS = {"type": "redirect", "redirect": {"protocol": "HTTPS"}}


def listener(**inputs: Any) -> Resource:
    return Resource("aws:lb/listener:Listener", "web", inputs)


def listener_rule(*actions: dict[str, Any]) -> Resource:
    return Resource("aws:lb/listenerRule:ListenerRule", "web", {"actions": list(actions)})


def ingress(**annotations: str) -> Resource:
    return Resource("kubernetes:networking.k8s.io/v1:Ingress", "web", {"metadata": {"annotations": annotations}})


# rule, the property it must name, and resources of which exactly one breaks that rule.
BREAKERS: list[tuple[str, str, list[Resource]]] = [
    ("encrypted-at-rest", "storageEncrypted", [Resource(RDS, "db", {"tags": TAGS})]),
    ("encrypted-at-rest", "storageEncrypted", [Resource(RDS, "db", {"storageEncrypted": False})]),
    ("encrypted-at-rest", "encryptionConfig", [Resource(EKS, "eks", {"vpcConfig": {"endpointPublicAccess": False}})]),
    ("encrypted-at-rest", "parameters.encrypted",
     [Resource("kubernetes:storage.k8s.io/v1:StorageClass", "gp3", {"provisioner": "ebs.csi.eks.amazonaws.com"})]),
    ("not-public", "publiclyAccessible", [Resource(RDS, "db", {"publiclyAccessible": True})]),
    ("not-public", "acl", bucket(acl="public-read")),
    ("not-public", "policy", [Resource("aws:s3/bucketPolicy:BucketPolicy", "p", {"policy": open_to_all()})]),
    ("not-public", "ingress[1].cidrBlocks",
     [Resource("aws:ec2/securityGroup:SecurityGroup", "sg",
               {"ingress": [{"cidrBlocks": ["10.0.0.0/8"]}, {"cidrBlocks": ["0.0.0.0/0"]}]})]),
    ("not-public", "cidrIpv6", [Resource(INGRESS, "in", {"cidrIpv6": "::/0"})]),
    ("not-public", "vpcConfig.publicAccessCidrs", [Resource(EKS, "eks", SECRETS)]),
    ("not-public", "vpcConfig.publicAccessCidrs",
     [Resource(EKS, "eks", {"vpcConfig": {"endpointPublicAccess": True, "publicAccessCidrs": ["0.0.0.0/0"]}})]),
    ("services-not-public", "spec.type", [service("LoadBalancer")]),
    ("keys-rotate", "enableKeyRotation", [Resource("aws:kms/key:Key", "lake")]),
    ("no-wildcard-iam", "policy statement 0",
     [Resource("aws:iam/rolePolicy:RolePolicy", "p", {"policy": allow("*", "*")})]),
    ("no-wildcard-iam", "policy statement 0",
     [Resource("aws:iam/policy:Policy", "p", {"policy": allow(["s3:GetObject", "s3:Put*"], ["*"])})]),
    ("no-wildcard-iam", "policy statement Most",
     [Resource("aws:iam/policy:Policy", "p", {"policy": policy({"Sid": "Most", "Effect": "Allow", "NotAction": "iam:*",
                                                               "Resource": "*"})})]),
    ("no-wildcard-iam", "inlinePolicies[0].policy statement 0",
     [Resource("aws:iam/role:Role", "r", {"inlinePolicies": [{"policy": allow("glue:*", "*")}]})]),
    ("no-wildcard-iam", "policyArn",
     [Resource("aws:iam/rolePolicyAttachment:RolePolicyAttachment", "a",
               {"policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"})]),
    ("roles-name-principals", "assumeRolePolicy",
     [Resource("aws:iam/role:Role", "r", {"assumeRolePolicy": policy(
         {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"})})]),
    ("images-by-digest", f"{POD}.image", [deployment(image="trinodb/trino:476")]),
    ("images-by-digest", f"{POD}.image", [deployment(image=f"trino@sha256:{'a' * 63}")]),
    ("limits-and-probes", f"{POD}.resources.limits.memory",
     [deployment(resources={"requests": {"cpu": "1", "memory": "1Gi"}})]),
    ("limits-and-probes", f"{POD}.livenessProbe", [deployment(livenessProbe=None)]),
    ("no-root", f"{POD}.securityContext.runAsNonRoot",
     [deployment(securityContext={"allowPrivilegeEscalation": False})]),
    ("no-root", f"{POD}.securityContext.privileged",
     [deployment(securityContext={"runAsNonRoot": True, "allowPrivilegeEscalation": False, "privileged": True})]),
    ("https-only", "sslPolicy", [listener(protocol="HTTPS")]),
    ("https-only", "sslPolicy", [listener(protocol="HTTPS", sslPolicy="ELBSecurityPolicy-2016-08")]),
    ("https-only", "defaultActions[0]", [listener(protocol="HTTP", defaultActions=[{"type": "fixed-response"}])]),
    ("login-first", "defaultActions[0]", [listener(**HTTPS, defaultActions=[FORWARD])]),
    ("login-first", "actions[0]", [listener_rule(FORWARD)]),
    ("login-first", "actions[0]", [listener_rule({**LOGIN, "order": 3.0}, FORWARD)]),
    ("login-first", "actions[1]", [listener_rule(OPTIONAL_LOGIN, FORWARD)]),
    ("login-first", "metadata.annotations.alb.ingress.kubernetes.io/auth-type", [ingress()]),
    ("buckets-guarded", "encryption", [each for each in bucket() if "Encryption" not in each.type]),
    ("buckets-guarded", "public access block", [each for each in bucket() if "AccessBlock" not in each.type]),
    ("buckets-guarded", "TLS-only policy", [each for each in bucket() if "bucketPolicy" not in each.type]),
    ("buckets-guarded", "TLS-only policy",
     [*(each for each in bucket() if "bucketPolicy" not in each.type),
      Resource("aws:s3/bucketPolicy:BucketPolicy", "p", {"bucket": "acme-lake", "policy": policy(
          {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "*",
           "Condition": {"Bool": {"aws:SecureTransport": "false"}}})})]),
    ("tagged", "tags", [Resource("aws:kms/key:Key", "k", {"tags": {"headwater:component": "key"}})]),
    ("deletion-protection", "deletionProtection", [Resource(RDS, "db", SAFE | {"deletionProtection": None})]),
    ("deletion-protection", "skipFinalSnapshot", [Resource(RDS, "db", SAFE | {"skipFinalSnapshot": True})]),
    ("deletion-protection", "forceDestroy", bucket(forceDestroy=True)),
    ("deletion-protection", "protect", [Resource(RDS, "db", SAFE, protect=False)]),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "path", "resources"), BREAKERS, ids=[f"{rule}-{path}" for rule, path, _ in BREAKERS])
def test_a_rule_fires_and_names_what_breaks_it(rule: str, path: str, resources: list[Resource]) -> None:
    """A rule that finds nothing, ever, and a message from which nobody can tell which resource is meant."""
    found = [each for name, each in catalogue.broken(resources, PROTECTED) if name == rule]
    assert [each.property for each in found] == [path]
    assert found[0].resource.label in found[0].text()
    assert "; " in found[0].text()


def test_every_rule_has_a_resource_that_breaks_it() -> None:
    """A new rule without a test of what it is for."""
    names = {each.name for each in (*catalogue.RESOURCE_RULES, *catalogue.STACK_RULES)}
    assert {rule for rule, _, _ in BREAKERS} == names


KEEPERS: list[list[Resource]] = [
    bucket(tags=TAGS),
    [deployment()],
    [service("ClusterIP"), service("LoadBalancer", **INSIDE)],
    [Resource(RDS, "db", {**SAFE, "tags": TAGS}, protect=True)],
    [listener(**HTTPS, defaultActions=[{"type": "fixed-response"}]),
     listener(protocol="HTTP", defaultActions=[TO_HTTPS]), listener_rule(FORWARD, LOGIN)],
    [ingress(**{"alb.ingress.kubernetes.io/auth-type": "oidc"})],
    [Resource("aws:iam/policy:Policy", "p", {"policy": allow("sts:GetCallerIdentity", "*")})],
    [Resource("aws:iam/policy:Policy", "p", {"policy": allow("s3:*", "arn:aws:s3:::lake/*")})],
    [Resource("aws:iam/policy:Policy", "p", {"policy": policy({"Effect": "Deny", "Action": "*", "Resource": "*"})})],
    [Resource("aws:s3/bucketPolicy:BucketPolicy", "p", {"policy": open_to_all(Condition={"Bool": {"a": "b"}})})],
    [Resource("aws:ec2/securityGroupRule:SecurityGroupRule", "out", {"type": "egress", "cidrBlocks": ["0.0.0.0/0"]})],
    [Resource(EKS, "eks", {**SECRETS, "deletionProtection": True,
                           "vpcConfig": {"endpointPublicAccess": True, "publicAccessCidrs": ["198.51.100.0/24"]}})],
]  # fmt: skip


@pytest.mark.parametrize("resources", KEEPERS, ids=[each[0].kind for each in KEEPERS])
def test_what_keeps_the_rules_passes(resources: list[Resource]) -> None:
    """A rule that refuses what is right is switched off by the first who meets it."""
    assert catalogue.lines(catalogue.broken(resources, PROTECTED)) == []


def test_what_only_the_update_will_know_is_no_violation() -> None:
    """The first preview of a stack fails, because images and policies are built by the update."""
    resources = [
        deployment(image=UNKNOWN),
        Resource("aws:iam/policy:Policy", "p", {"policy": UNKNOWN}),
        Resource("aws:kms/key:Key", "k", {"enableKeyRotation": UNKNOWN, "tags": UNKNOWN}, protect=True),
    ]
    assert catalogue.lines(catalogue.broken(resources, PROTECTED)) == []


def test_a_guard_belongs_to_its_own_bucket() -> None:
    """One closed bucket that makes all others look closed; or, in a preview, a guard that is not recognised."""
    first, second = bucket("lake", tags=TAGS), bucket("logs", tags=TAGS)
    found = catalogue.broken([*first, second[0]], PROTECTED)
    assert {each.resource.name for _, each in found} == {"logs"}
    made = Resource("aws:s3/bucket:Bucket", "new", {"tags": TAGS}, urn="urn:new", protect=True)
    guards = [
        Resource(each.type, each.name, {**each.inputs, "bucket": UNKNOWN}, depends={"bucket": ["urn:new"]})
        for each in first[1:]
    ]
    assert catalogue.lines(catalogue.broken([made, *guards], PROTECTED)) == []


def test_default_tags_count_only_for_their_own_providers_resources() -> None:
    """Untagged resources of a second provider pass because the first one tags."""
    tags = {name: "x" for name in TAGS if name != "headwater:component"}
    provider = Resource(
        "pulumi:providers:aws", "aws", {"defaultTags": json.dumps({"tags": tags})}, urn="urn:aws", identity="1"
    )
    mine = {"enableKeyRotation": True, "tags": {"headwater:component": "key"}}
    ours = Resource("aws:kms/key:Key", "ours", mine, provider="urn:aws::1", protect=True)
    theirs = Resource("aws:kms/key:Key", "theirs", mine, provider="urn:other::2", protect=True)
    found = catalogue.broken([provider, ours, theirs], PROTECTED)
    assert [each.resource.name for _, each in found] == ["theirs"]


def test_protection_is_asked_for_by_the_settings_alone() -> None:
    """A throw-away stack that can't be thrown away; or prod, whose setting is a default, left open."""
    assert catalogue.requirements({}) == Requirements(deletion_protection=False)
    assert catalogue.requirements({"headwater:aws": '{"account": "1"}'}) == PROTECTED
    assert catalogue.requirements({"headwater:aws": {"deletion_protection": False}}) == Requirements(False)
    assert catalogue.requirements({"headwater:aws": {"endpoint": "http://10.0.0.1:4566"}}).tls is False
    assert catalogue.requirements({"headwater:aws": {"endpoint": "https://aws.example"}}).tls is True
    database = [Resource(RDS, "db", {"storageEncrypted": True, "tags": TAGS}, protect=False)]
    assert catalogue.broken(database, Requirements(False)) == []


def test_no_stack_breaks_a_rule(stack: str) -> None:
    """A public bucket, an image by tag or an unprotected database, merged."""
    resources = registered(stack)
    wanted = catalogue.requirements(program.configuration(stack))
    assert catalogue.lines(catalogue.broken(resources, wanted)) == []


def test_the_rules_see_what_they_judge(stack: str) -> None:
    """Policies and images that mocks leave unknown: every rule passes, because it looks at nothing."""
    resources = registered(stack)
    for resource in resources:
        if resource.type.startswith("aws:iam/"):
            for name in ("policy", "assumeRolePolicy"):
                assert resource.at(name) != UNKNOWN, f"{resource.label} {name}"
        for path, container in workloads.containers(resource):
            judged = [container.get(key) for key in ("image", "resources", "securityContext", "livenessProbe")]
            assert UNKNOWN not in json.dumps(judged), f"{resource.label} {path}"


def test_an_exception_needs_a_rule_that_exists_and_a_reason(tmp_path: Any) -> None:
    """A rule switched off by nobody knows whom, for nobody knows what."""
    file = tmp_path / "exceptions.yaml"
    file.write_text("- {rule: no-root, resource: x, reason: }\n")
    with pytest.raises(ValueError, match="entry 1"):
        catalogue.exceptions(file)
    file.write_text("- {rule: no-roots, resource: x, reason: because}\n")
    with pytest.raises(ValueError, match="'no-roots' is not known"):
        catalogue.exceptions(file)
    assert all(catalogue.exceptions().values())
