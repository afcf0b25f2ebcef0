"""Settings of how people reach Superset and Dagster: in the cluster only, or through a load balancer with a login."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, field_validator

from components.settings.base import Model

HttpsUrl = Annotated[str, Field(pattern=r"^https://[^/\s?#]+(/[^\s?#]*)?$", description="an https URL")]
Text = Annotated[str, Field(min_length=1, max_length=256)]
Domain = Annotated[str, Field(pattern=r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$")]
Zone = Annotated[str, Field(pattern=r"^Z[A-Z0-9]{6,31}$")]
CertificateArn = Annotated[str, Field(pattern=r"^arn:aws:acm:[a-z0-9-]+:[0-9]{12}:certificate/\S+$")]
Role = Literal["admin", "editor", "viewer"]


class Oidc(Model):
    """The identity provider that people log in at, and its two clients; their secrets are in Pulumi's encrypted
    configuration (supersetClientSecret, dagsterClientSecret).

    The endpoints are those of the provider's discovery document, <issuer>/.well-known/openid-configuration.
    dagster_client: whoever the provider lets in by it may run pipelines. groups_claim: where an ID token has its
    user's groups. roles: group → role in Superset; a user in none of them is refused.
    """

    issuer: HttpsUrl = Field(description="an https URL, as the provider writes it in its tokens")
    authorization_endpoint: HttpsUrl
    token_endpoint: HttpsUrl
    userinfo_endpoint: HttpsUrl
    superset_client: Text
    dagster_client: Text
    scopes: list[Annotated[str, Field(pattern=r"^\S+$")]] = Field(default=["openid", "email", "profile"], min_length=1)
    groups_claim: Text = "groups"
    roles: dict[Text, Role] = Field(min_length=1)

    @field_validator("scopes")
    @classmethod
    def _openid(cls, value: list[str]) -> list[str]:
        if "openid" not in value:
            raise ValueError("without the scope 'openid' a provider sends no ID token")
        return value


class Serving(Model):
    """Who reaches Superset and Dagster, and how: from inside the cluster, or through a load balancer of AWS.

    domain: superset.<domain> and dagster.<domain> are the pages. zone: the identifier of the Route 53 zone that holds
    it; None where its records are kept elsewhere, and then certificate names one of AWS Certificate Manager for both.
    scheme: internet-facing has public addresses, internal is reached through a VPN. allow: networks that may connect.
    """

    kind: Literal["internal", "load_balancer"] = "internal"
    domain: Domain | None = Field(default=None, description="like data.example.com, in small letters")
    zone: Zone | None = Field(default=None, description="an identifier like Z0123456789ABC")
    scheme: Literal["internal", "internet-facing"] = "internal"
    allow: list[str] = Field(default_factory=list)
    certificate: CertificateArn | None = Field(default=None, description="the ARN of a certificate in ACM")
    oidc: Oidc | None = None

    @field_validator("allow")
    @classmethod
    def _not_everyone(cls, value: list[str]) -> list[str]:
        for text in value:
            network = ipaddress.ip_network(text)
            if network.version != 4 or network.prefixlen < 8:
                raise ValueError(f"{text} is the internet, or most of it: name IPv4 networks of /8 or smaller")
        return value


def serving_contradictions(
    serving: Serving, cluster: str, storage: str, region: str | None
) -> Iterator[tuple[str, object, str]]:
    """Yield path, value and explanation of each setting that another one rules out, or that a load balancer lacks.

    cluster: kubernetes.kind. storage: storage.kind. region: the stack's in AWS.
    """
    if serving.kind == "internal":
        for name in sorted(serving.model_fields_set - {"kind"}):
            value = getattr(serving, name)
            shown = value.issuer if isinstance(value, Oidc) else value
            yield f"serving.{name}", shown, "it is of a load balancer; serving.kind is 'internal'"
        return
    if cluster != "eks":
        yield "serving.kind", serving.kind, "only Amazon EKS has load balancers here; kubernetes.kind is 'kubeconfig'"
    elif storage != "s3":
        yield "serving.kind", serving.kind, f"a load balancer keeps its access logs in S3; storage.kind is '{storage}'"
    if serving.domain is None:
        yield "serving.domain", None, "a load balancer serves superset.<domain> and dagster.<domain>"
    if serving.oidc is None:
        yield "serving.oidc", None, "Dagster has no login of its own: without an identity provider it would be open"
    elif serving.oidc.superset_client == serving.oidc.dagster_client:
        why = "whoever the provider lets into Superset could run pipelines; give Dagster a client of its own"
        yield "serving.oidc.dagster_client", serving.oidc.dagster_client, why
    if not serving.allow:
        yield "serving.allow", [], "name the networks that may connect, such as your office's or your VPN's"
    if serving.certificate is None and serving.zone is None:
        why = "name a certificate, or the Route 53 zone (serving.zone) in which one can be validated"
        yield "serving.certificate", None, why
    if serving.certificate is not None and region is not None and serving.certificate.split(":")[3] != region:
        yield "serving.certificate", serving.certificate, f"a load balancer takes certificates of its region, {region}"
