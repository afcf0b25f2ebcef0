"""Rules about services that people use from outside the cluster: TLS, and a login before anything else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from review.resources import Resource, known
from review.rules.base import Violation

_LISTENERS = {"aws:lb/listener:Listener": "defaultActions", "aws:lb/listenerRule:ListenerRule": "actions"}
_INGRESS = "kubernetes:networking.k8s.io/v1:Ingress"
# TLS 1.2 and 1.3 with forward secrecy; the others take older versions or ciphers.
# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html
_TLS_POLICIES = ("ELBSecurityPolicy-TLS13-1-2-Res-", "ELBSecurityPolicy-TLS13-1-3-")
_LOGINS = {"authenticate-oidc", "authenticate-cognito"}
_LOGIN = "put an authenticate-oidc action before it, or let review/rules/exceptions.yaml say whose login it has"


def https_only(resource: Resource) -> Iterator[Violation]:
    """A load balancer speaks HTTPS with present ciphers; plain HTTP only sends browsers on to it."""
    if resource.type != "aws:lb/listener:Listener" or not known(resource.at("protocol")):
        return
    if resource.at("protocol") == "HTTPS":
        policy = resource.at("sslPolicy")
        if policy is None or (known(policy) and not str(policy).startswith(_TLS_POLICIES)):
            way = f"set it to one that begins with {_TLS_POLICIES[0]}; AWS's default takes old ciphers"
            yield Violation(resource, "sslPolicy", policy, way)
        return
    for number, action in enumerate(_actions(resource, "defaultActions")):
        to = action.get("redirect") or {}
        if action.get("type") != "redirect" or to.get("protocol") != "HTTPS":
            way = "redirect to HTTPS: what is sent here can be read and changed on its way"
            yield Violation(resource, f"defaultActions[{number}]", action.get("type"), way)


def login_first(resource: Resource) -> Iterator[Violation]:
    """Nothing from outside gets to a pod before a login."""
    if resource.type in _LISTENERS:
        name = _LISTENERS[resource.type]
        actions = sorted(_actions(resource, name), key=lambda each: float(each.get("order") or 1))
        asked = False
        for number, action in enumerate(actions):
            strict = (action.get("authenticateOidc") or {}).get("onUnauthenticatedRequest") != "allow"
            asked = asked or (action.get("type") in _LOGINS and strict)
            if action.get("type") == "forward" and not asked:
                yield Violation(resource, f"{name}[{number}]", "forward", _LOGIN)
    if resource.type == _INGRESS:
        annotations = resource.at("metadata", "annotations") or {}
        kind = annotations.get("alb.ingress.kubernetes.io/auth-type")
        if kind not in {"oidc", "cognito"}:
            way = "set it to oidc, or serve it as components/aws/load_balancer.py does"
            yield Violation(resource, "metadata.annotations.alb.ingress.kubernetes.io/auth-type", kind, way)


def _actions(resource: Resource, name: str) -> list[Mapping[str, Any]]:
    """Return the actions; none where a preview hides the whole list."""
    found = resource.at(name)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []
