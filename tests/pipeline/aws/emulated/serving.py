"""Handlers of what a load balancer adds to a stack: ELB, Certificate Manager, Route 53."""

from __future__ import annotations

from typing import Any

from tests.pipeline.aws.emulated.emulator import HANDLERS, Emulator, Made, tag_list


def upper(value: Any) -> Any:
    """Return arguments of the provider in the spelling of the API: hostHeader is HostHeader, and a number whole."""
    if isinstance(value, dict):
        return {f"{key[0].upper()}{key[1:]}": upper(item) for key, item in value.items()}
    if isinstance(value, list):
        return [upper(each) for each in value]
    return int(value) if isinstance(value, float) else value


def load_balancer(aws: Emulator, given: dict[str, Any]) -> Made:
    elb = aws.client("elbv2")
    made = elb.create_load_balancer(
        Name=given["name"],
        Type=given["loadBalancerType"],
        Scheme="internal" if given["internal"] else "internet-facing",
        Subnets=given["subnets"],
        SecurityGroups=given["securityGroups"],
        Tags=tag_list(given["tags"]),
    )["LoadBalancers"][0]
    logs = given["accessLogs"]
    attributes = {
        "idle_timeout.timeout_seconds": int(given["idleTimeout"]),
        "routing.http.drop_invalid_header_fields.enabled": given["dropInvalidHeaderFields"],
        "deletion_protection.enabled": given["enableDeletionProtection"],
        "access_logs.s3.enabled": logs["enabled"],
        "access_logs.s3.bucket": logs["bucket"],
        "access_logs.s3.prefix": logs["prefix"],
    }
    elb.modify_load_balancer_attributes(
        LoadBalancerArn=made["LoadBalancerArn"],
        Attributes=[{"Key": key, "Value": str(value).lower()} for key, value in attributes.items()],
    )
    return {"arn": made["LoadBalancerArn"], "dnsName": made["DNSName"], "zoneId": made["CanonicalHostedZoneId"]}


def target_group(aws: Emulator, given: dict[str, Any]) -> Made:
    check = given["healthCheck"]
    made = aws.client("elbv2").create_target_group(
        Name=given["name"],
        TargetType=given["targetType"],
        Port=int(given["port"]),
        Protocol=given["protocol"],
        VpcId=given["vpcId"],
        HealthCheckPath=check["path"],
        HealthCheckIntervalSeconds=int(check["interval"]),
        HealthCheckTimeoutSeconds=int(check["timeout"]),
        Matcher={"HttpCode": check["matcher"]},
        Tags=tag_list(given["tags"]),
    )
    return {"arn": made["TargetGroups"][0]["TargetGroupArn"]}


def actions(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    renamed = {"RedirectConfig": "Redirect", "FixedResponseConfig": "FixedResponse"}
    renamed |= {"AuthenticateOidcConfig": "AuthenticateOidc"}
    found = []
    for each in upper(given):
        action = {new: each.pop(old) for new, old in renamed.items() if old in each}
        found.append({**each, **action})
    return found


def listener(aws: Emulator, given: dict[str, Any]) -> Made:
    secured: dict[str, Any] = {}
    if given["protocol"] == "HTTPS":
        aws.client("acm").describe_certificate(CertificateArn=given["certificateArn"])
        secured = {"SslPolicy": given["sslPolicy"], "Certificates": [{"CertificateArn": given["certificateArn"]}]}
    parameters = {
        "LoadBalancerArn": given["loadBalancerArn"],
        "Port": int(given["port"]),
        "Protocol": given["protocol"],
        "DefaultActions": actions(given["defaultActions"]),
        **secured,
    }
    aws.validate("elbv2", "CreateListener", **parameters)
    return {"arn": aws.client("elbv2").create_listener(**parameters)["Listeners"][0]["ListenerArn"]}


def listener_rule(aws: Emulator, given: dict[str, Any]) -> Made:
    conditions = []
    for condition in given["conditions"]:
        ((name, value),) = condition.items()
        field = {"hostHeader": "host-header"}[name]
        conditions.append({"Field": field, "HostHeaderConfig": {"Values": value["values"]}})
    aws.client("elbv2").create_rule(
        ListenerArn=given["listenerArn"],
        Priority=int(given["priority"]),
        Conditions=conditions,
        Actions=actions(given["actions"]),
    )
    return {}


def certificate(aws: Emulator, given: dict[str, Any]) -> Made:
    made = aws.client("acm").request_certificate(
        DomainName=given["domainName"],
        SubjectAlternativeNames=[given["domainName"], *given["subjectAlternativeNames"]],
        ValidationMethod=given["validationMethod"],
        Tags=tag_list(given["tags"]),
    )
    return {"arn": made["CertificateArn"]}


def validation(aws: Emulator, given: dict[str, Any]) -> Made:
    found = aws.client("acm").describe_certificate(CertificateArn=given["certificateArn"])["Certificate"]
    names = {each["DomainName"] for each in found["DomainValidationOptions"]}
    # Each name is proven by a record below it.
    assert {name for name in names for fqdn in given["validationRecordFqdns"] if fqdn.endswith(f".{name}")} == names
    return {}


def record(aws: Emulator, given: dict[str, Any]) -> Made:
    route53 = aws.client("route53")
    zones = route53.list_hosted_zones()["HostedZones"]
    domain = given["name"].rstrip(".").split(".", 1)[1].removeprefix("dagster.").removeprefix("superset.")
    if not zones:
        # The stack finds its zone; nobody but the test makes one.
        zones = [route53.create_hosted_zone(Name=domain, CallerReference="1")["HostedZone"]]
    change: dict[str, Any] = {"Name": given["name"], "Type": given["type"]}
    if "aliases" in given:
        (alias,) = given["aliases"]
        change["AliasTarget"] = {
            "DNSName": alias["name"],
            "HostedZoneId": alias["zoneId"],
            "EvaluateTargetHealth": alias["evaluateTargetHealth"],
        }
    else:
        change |= {"TTL": int(given["ttl"]), "ResourceRecords": [{"Value": each} for each in given["records"]]}
    route53.change_resource_record_sets(
        HostedZoneId=zones[0]["Id"], ChangeBatch={"Changes": [{"Action": "UPSERT", "ResourceRecordSet": change}]}
    )
    return {}


HANDLERS.update({
    "LoadBalancer": load_balancer, "TargetGroup": target_group, "Listener": listener, "ListenerRule": listener_rule,
    "Certificate": certificate, "CertificateValidation": validation, "Record": record,
})  # fmt: skip
