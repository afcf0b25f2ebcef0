"""Settings of how people open Superset and Dagster: inside the cluster, or through a load balancer with a login."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, field_validator

from components.settings import networks
from components.settings.base import Allowed, Ipv4Network, Model, Text

HttpsUrl = Annotated[str, Field(pattern=r"^https://[^/\s?#]+(/[^\s?#]*)?$"), Allowed("an https URL")]
Domain = Annotated[
    str,
    Field(pattern=r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$"),
    Allowed("like data.example.com, in small letters"),
]
Zone = Annotated[str, Field(pattern=r"^Z[A-Z0-9]{6,31}$"), Allowed("an identifier like Z0123456789ABC")]
CertificateArn = Annotated[
    str,
    Field(pattern=r"^arn:aws:acm:[a-z0-9-]+:[0-9]{12}:certificate/\S+$"),
    Allowed("the ARN of a certificate in ACM"),
]
Role = Literal["admin", "editor", "viewer"]


class Oidc(Model):
    """The identity provider that people log in at, and its two clients, whose secrets are `supersetClientSecret` and
    `dagsterClientSecret`. The provider's page <issuer>/.well-known/openid-configuration has the endpoints.
    """

    issuer: HttpsUrl = Field(description="The provider, exactly as it writes itself in its tokens.")
    authorization_endpoint: HttpsUrl = Field(description="Where people log in.")
    token_endpoint: HttpsUrl = Field(description="Where a login becomes a token.")
    userinfo_endpoint: HttpsUrl = Field(description="Who a token is of.")
    superset_client: Text = Field(description="The identifier of Superset's client.")
    dagster_client: Text = Field(
        description="The identifier of Dagster's client, another one than Superset's: whoever the provider lets use it "
        "may run pipelines."
    )
    scopes: list[Annotated[str, Field(pattern=r"^\S+$"), Allowed("a name without blanks")]] = Field(
        default=["openid", "email", "profile"],
        min_length=1,
        description="What the provider is asked for. `openid` must be among them.",
    )
    groups_claim: Text = Field(default="groups", description="The field of an ID token that has the user's groups.")
    roles: dict[Text, Role] = Field(
        min_length=1,
        description="The role in Superset of each group of the provider. A user in none of the groups is refused.",
    )

    @field_validator("scopes")
    @classmethod
    def _openid(cls, value: list[str]) -> list[str]:
        if "openid" not in value:
            raise ValueError("without the scope 'openid' a provider sends no ID token")
        return value


class Serving(Model):
    """How people reach Superset and Dagster. Everything but `kind` is of the load balancer."""

    kind: Literal["internal", "load_balancer"] = Field(
        default="internal",
        description="With `internal` both stay within the cluster. `load_balancer` serves them by HTTPS behind a "
        "login, and needs `kubernetes.kind: eks` and `storage.kind: s3`.",
    )
    domain: Domain | None = Field(
        default=None, description="The pages are superset.<domain> and dagster.<domain>. A load balancer needs it."
    )
    zone: Zone | None = Field(
        default=None,
        description="The Route 53 zone that holds the domain: records and certificate are made in it. Not set: its "
        "records are kept elsewhere, and `certificate` must be set.",
    )
    scheme: Literal["internal", "internet-facing"] = Field(
        default="internal",
        description="`internet-facing` has public addresses. `internal` is reached through a VPN or a peered network.",
    )
    allow: list[Ipv4Network] = Field(
        default_factory=list,
        description="Networks that may connect, /8 or smaller. A load balancer needs one at least.",
    )
    certificate: CertificateArn | None = Field(
        default=None,
        description="A certificate of AWS Certificate Manager in the stack's region, for both pages. Not set: one is "
        "made in `zone`.",
    )
    oidc: Oidc | None = None

    @field_validator("allow")
    @classmethod
    def _not_everyone(cls, value: list[str]) -> list[str]:
        return networks.senders(value, "the internet, or most of it")


def serving_contradictions(
    serving: Serving, cluster: str, storage: str, place: tuple[str, str] | None
) -> Iterator[tuple[str, object, str]]:
    """Yield path, value and explanation of each setting that another one rules out, or that a load balancer lacks.

    cluster: kubernetes.kind. storage: storage.kind. place: the stack's region and account in AWS.
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
    if serving.certificate is not None and place is not None and tuple(serving.certificate.split(":")[3:5]) != place:
        why = "a load balancer takes certificates of its region, {}, and account, {}".format(*place)
        yield "serving.certificate", serving.certificate, why
