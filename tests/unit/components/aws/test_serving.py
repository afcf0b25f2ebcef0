"""Superset and Dagster behind a load balancer: who gets to them, and which settings would let others in."""

from __future__ import annotations

import ipaddress
import json
from typing import Any

import pulumi
import pytest

from components import settings
from components.aws.load_balancer import LONGEST_NAME, short
from components.aws.network import subnets
from tests.unit.components import golden, test_aws_program, test_program
from tests.unit.components.conftest import Resource, aws_program, plain, run_program, stack_config
from tests.unit.components.served import OIDC, SECRETS, SERVING, served_program
from tests.unit.components.settings.test_aws_settings import EKS
from tests.unit.components.test_aws_program import inputs

ARN = "arn:aws:acm:us-east-1:111122223333:certificate/1-2"
ELSEWHERE = "arn:aws:acm:eu-central-1:444455556666:certificate/1-2"
Stack = tuple[str, list[Resource], dict[str, Any]]


def without(*names: str) -> dict[str, Any]:
    return {"serving": {key: value for key, value in SERVING.items() if key not in names}}


def changed(**changes: Any) -> dict[str, Any]:
    return {"serving": {**SERVING, **changes}}


def oidc(**changes: Any) -> dict[str, Any]:
    return changed(oidc={**OIDC, **changes})


@pytest.mark.parametrize(
    ("raw", "path", "says"),
    [
        (without("oidc"), "headwater:serving.oidc", "Dagster has no login of its own"),
        (without("domain"), "headwater:serving.domain", "superset.<domain>"),
        (without("allow"), "headwater:serving.allow", "name the networks"),
        (without("zone"), "headwater:serving.certificate", "Route 53 zone"),
        (without("kind"), "headwater:serving.domain: 'data.example.com'", "serving.kind is 'internal'"),
        (without("kind"), "headwater:serving.oidc: 'https://login.example.com", "serving.kind is 'internal'"),
        (changed(allow=["0.0.0.0/0"]), "headwater:serving.allow", "the internet"),
        (changed(allow=["2001:db8::/32"]), "headwater:serving.allow", "IPv4"),
        (changed(certificate=ARN), f"headwater:serving.certificate: '{ARN}'", "eu-central-1"),
        (changed(certificate=ELSEWHERE), f"headwater:serving.certificate: '{ELSEWHERE}'", "account, 111122223333"),
        (changed(domain="Data.example.com"), "headwater:serving.domain: 'Data.example.com'", "data.example.com"),
        (changed(domain="localhost"), "headwater:serving.domain: 'localhost'", "data.example.com"),
        (changed(zone="example.com"), "headwater:serving.zone: 'example.com'", "Z0123456789ABC"),
        (changed(scheme="public"), "headwater:serving.scheme: 'public'", "internet-facing"),
        (oidc(issuer="http://login.example.com"), "headwater:serving.oidc.issuer", "https"),
        (oidc(token_endpoint="login.example.com"), "headwater:serving.oidc.token_endpoint", "https"),
        (oidc(roles={}), "headwater:serving.oidc.roles", "at least 1"),
        (oidc(roles={"staff": "Alpha"}), "headwater:serving.oidc.roles.staff: 'Alpha'", "'editor'"),
        (oidc(scopes=["email"]), "headwater:serving.oidc.scopes", "openid"),
        (oidc(dagster_client="superset"), "headwater:serving.oidc.dagster_client", "could run pipelines"),
        ({"serving": SERVING, "kubernetes": {}, "storage": {}, "images": {}}, "headwater:serving.kind", "Amazon EKS"),
        ({"serving": SERVING, "storage": {}}, "headwater:serving.kind", "access logs"),
    ],
)  # fmt: skip
def test_a_half_open_door_is_refused(raw: dict[str, Any], path: str, says: str) -> None:
    """A load balancer without a login, for everybody, or one that AWS refuses after half an hour."""
    with pytest.raises(pulumi.RunError) as raised:
        settings.parse({**EKS, **raw})
    assert path in str(raised.value)
    assert says in str(raised.value)


@pytest.mark.parametrize("name", SECRETS)
def test_a_client_secret_is_there_and_encrypted(name: str) -> None:
    """It would stand in the stack's file in the repository; or the login would fail for everybody, at run time."""
    serving = settings.parse({**EKS, **changed()}).serving
    others = [key for key in SECRETS if key != name]
    short_name = name.partition(":")[2]

    def read(config: dict[str, str]) -> settings.ClientSecrets | None:
        pulumi.runtime.config.set_all_config(config, others)
        try:
            return settings.client_secrets(pulumi.Config("headwater"), serving)
        finally:
            pulumi.runtime.config.set_all_config({}, [])

    with pytest.raises(pulumi.RunError, match=f"{short_name} is missing: .*config set --secret"):
        read({key: SECRETS[key] for key in others})
    with pytest.raises(pulumi.RunError, match=f"{short_name} is in plain text: .*config set --secret"):
        read(SECRETS)


@pytest.fixture(params=[("staging", "internal"), ("prod", "internet-facing")], ids=lambda each: each[1])
def served(request: pytest.FixtureRequest) -> Stack:
    stack, scheme = request.param
    return scheme, *served_program(stack, scheme)


@pytest.mark.parametrize("rule", test_aws_program.EVERYWHERE, ids=lambda rule: rule.__name__)
def test_what_holds_without_a_load_balancer_holds_with_one(served: Stack, rule: Any) -> None:
    """The stack that people reach from outside would be the one that nobody checks."""
    rule(served[1])


def test_the_summary_is_the_reviewed_one() -> None:
    """A port, a network or a cipher that no reviewer saw. `python -m tests.unit.components.golden` renews it."""
    found = golden.added(served_program("staging")[0], aws_program("staging")[0])
    assert f"{found}\n" == (golden.FOLDER / f"{golden.SERVED}.txt").read_text()


def test_nobody_gets_to_dagster_without_a_login(served: Stack) -> None:
    """Whoever opens Dagster's page runs code in the cluster: it has no login of its own."""
    _, resources, _ = served
    rules = inputs(resources, "ListenerRule")
    groups = {
        resource.outputs["arn"]: name for name, resource in test_aws_program.of_kind(resources, "TargetGroup").items()
    }
    assert set(rules) == {"dagster-rule", "superset-rule"}
    for name, rule in rules.items():
        forwards = [each for each in rule["actions"] if each["type"] == "forward"]
        assert [groups[each["targetGroupArn"]] for each in forwards] == [name.replace("rule", "targets")]
        assert set(rule["conditions"][0]) == {"hostHeader"}, "a path that is let through is a way around the login"
    first, second = sorted(rules["dagster-rule"]["actions"], key=lambda each: each["order"])
    assert (first["type"], second["type"]) == ("authenticate-oidc", "forward")
    login = first["authenticateOidc"]
    assert login["onUnauthenticatedRequest"] == "authenticate"
    assert (login["clientId"], login["clientSecret"]) == ("dagster", SECRETS["headwater:dagsterClientSecret"])
    for listener in inputs(resources, "Listener").values():
        assert not [each for each in listener["defaultActions"] if each["type"] == "forward"]


def test_pods_let_in_the_load_balancer_and_no_other_pod(served: Stack) -> None:
    """Any pod could open Dagster's page past the login, or the load balancer could not."""
    scheme, resources, exported = served
    subnets_of = {name: ipaddress.ip_network(each["cidrBlock"]) for name, each in inputs(resources, "Subnet").items()}
    policies = inputs(resources, "NetworkPolicy")
    balancer = inputs(resources, "LoadBalancer")["load-balancer"]
    ids = {resource.outputs["id"]: name for name, resource in test_aws_program.of_kind(resources, "Subnet").items()}
    mine = {str(subnets_of[ids[each]]) for each in balancer["subnets"]}
    assert len(mine) == 3
    for name in ("superset-ingress", "dagster-ingress"):
        (rule,) = policies[name]["spec"]["ingress"]
        assert {each["ipBlock"]["cidr"] for each in rule["from"] if "ipBlock" in each} == mine
    pods = [network for name, network in subnets_of.items() if name.startswith("private")]
    assert not [each for each in mine for pod in pods if ipaddress.ip_network(each).overlaps(pod)]
    assert balancer["internal"] is (scheme == "internal")
    blocks = [name for name, each in policies.items() if "ipBlock" in json.dumps(each)]
    assert sorted(blocks) == ["dagster-ingress", "superset-ingress"]
    assert exported["dagster"] == "https://dagster.data.example.com"
    assert exported["trino"].startswith("https://trino.headwater:"), "the query engine stays in the cluster"


def test_only_named_networks_get_to_the_load_balancer(served: Stack) -> None:
    """A login page for the whole internet to try, or a node's port that somebody else reaches."""
    _, resources, _ = served
    groups = {
        resource.outputs["id"]: name for name, resource in test_aws_program.of_kind(resources, "SecurityGroup").items()
    }
    let_in = {}
    for name, rule in inputs(resources, "SecurityGroupIngressRule").items():
        source = rule["cidrIpv4"] if "cidrIpv4" in rule else groups[rule["referencedSecurityGroupId"]]
        let_in[name] = (groups[rule["securityGroupId"]], source, rule["fromPort"], rule["toPort"])
    assert {value for name, value in let_in.items() if "load-balancer" in name} == {
        ("load-balancer-group", "203.0.113.0/24", 443, 443),
        ("load-balancer-group", "203.0.113.0/24", 80, 80),
        ("nodes", "load-balancer-group", 8088, 8088),
        ("nodes", "load-balancer-group", 3000, 3000),
    }


def test_superset_knows_its_provider_and_that_it_speaks_tls(served: Stack) -> None:
    """Cookies over plain HTTP; redirects to http:// that the provider refuses; or a form that asks for passwords."""
    _, resources, _ = served
    containers = dict(test_program.containers(resources))
    environment = {each["name"]: each for each in containers["Deployment/superset/superset"]["env"]}
    assert environment["SUPERSET_HTTPS"]["value"] == "true"
    assert environment["SUPERSET_OIDC_ISSUER"]["value"] == OIDC["issuer"]
    assert json.loads(environment["SUPERSET_OIDC_ROLES"]["value"]) == OIDC["roles"]
    source = environment["SUPERSET_OIDC_SECRET"]["valueFrom"]["secretKeyRef"]
    secret = inputs(resources, "Secret")["superset-credentials-secret"]["stringData"]
    assert secret[source["key"]] == SECRETS["headwater:supersetClientSecret"]


def test_the_binding_comes_after_its_service_and_its_rule(served: Stack) -> None:
    """The first `pulumi up` would wait for pods of a Service that does not exist."""
    _, resources, _ = served
    needs = {"ListenerRule dagster-rule", "Service dagster-service", "LoadBalancer load-balancer"}
    assert needs <= test_aws_program.before(resources, "dagster-binding", "TargetGroupBinding")
    listener = test_aws_program.before(resources, "https", "Listener")
    assert {"CertificateValidation certificate-validation", "BucketPolicy access-logs-policy"} <= listener


def test_a_named_certificate_needs_no_zone() -> None:
    """A team whose names are kept elsewhere could not serve at all."""
    arn = ARN.replace("us-east-1", "eu-central-1")
    serving = {**without("zone")["serving"], "certificate": arn}
    config = {**stack_config("staging"), "headwater:serving": json.dumps(serving)}
    resources, exported = run_program(config, "staging", SECRETS)
    assert inputs(resources, "Listener")["https"]["certificateArn"] == arn
    assert not [r for r in resources if r.kind in {"Record", "Certificate"} and r.type.startswith("aws:")]
    assert "load_balancer" in exported


def test_each_record_proves_its_own_name() -> None:
    """AWS lists what it asks for in no order: with names swapped the certificate is never issued."""
    records = inputs(served_program("staging")[0], "Record")
    for service in ("dagster", "superset"):
        assert records[f"certificate-{service}"]["name"].endswith(f".{service}.data.example.com.")


def test_names_of_load_balancers_fit() -> None:
    """AWS takes 32 letters; two stacks whose names begin alike must not meet."""
    names = [short(f"headwater-integration-environment-{end}-superset") for end in ("east", "west")]
    assert len(set(names)) == 2
    assert all(len(name) <= LONGEST_NAME and not name.endswith("-") for name in names)
    assert short("headwater-staging-superset") == "headwater-staging-superset"


def test_the_smallest_vpc_has_room_for_load_balancers() -> None:
    """A load balancer takes 8 free addresses in a subnet of /27 or larger."""
    ranges = subnets("10.0.0.0/20", 3)
    everything = [ipaddress.ip_network(each) for each in (*ranges.private, *ranges.public, *ranges.internal)]
    assert len(everything) == 9
    assert all(network.prefixlen <= 27 for network in everything)
    assert not [1 for a in everything for b in everything if a is not b and a.overlaps(b)]


def test_no_secret_of_a_client_is_readable() -> None:
    """A client's secret in the state, in an argument of a container or in a ConfigMap."""
    for resource in served_program("staging")[0]:
        readable = golden.masked(resource.inputs)
        for secret in SECRETS.values():
            assert secret not in json.dumps(readable, default=str), resource.name
    assert any(SECRETS["headwater:dagsterClientSecret"] in json.dumps(plain(r.inputs), default=str)
               for r in served_program("staging")[0])  # fmt: skip
