"""Settings of the Iceberg catalog, and of the login at an external one."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from components.settings.base import Model, Url


class OAuth2(Model):
    """A login by client credentials at a REST catalog elsewhere; the secret `catalogCredential` has them."""

    server_uri: Url = Field(description="Where tokens are made.")
    scope: str | None = Field(default=None, description="What tokens are asked for. Not set: the server's default.")


class SigV4(Model):
    """AWS's signatures for a REST catalog elsewhere, by the identity that reads S3."""

    service: Literal["glue", "s3tables", "execute-api"] = Field(
        default="glue", description="The service that requests are signed for."
    )


class Catalog(Model):
    """The Iceberg catalog. A REST catalog elsewhere knows its clients by `oauth2`, by `sigv4`, or by a token, which is
    the secret `catalogToken`.
    """

    kind: Literal["rest", "glue"] = Field(
        default="rest",
        description="`rest` is a REST catalog: one in the cluster, or the one at `uri`. `glue` is AWS Glue's own API, "
        "and needs `storage.kind: s3`.",
    )
    uri: Url | None = Field(
        default=None, description="The address of a REST catalog elsewhere. Not set: one runs in the cluster."
    )
    warehouse: str | None = Field(
        default=None,
        description="What a REST catalog elsewhere calls the lake. Glue's REST endpoint wants the account's number, S3 "
        "Tables the ARN of the table bucket. Not set: the path in the bucket.",
    )
    oauth2: OAuth2 | None = None
    sigv4: SigV4 | None = None
