"""The connection to an Iceberg REST catalog that somebody else runs, by its URI."""

from __future__ import annotations

import pulumi

from components import connections, settings
from components.connections import ObjectStore
from components.lake import warehouse


def remote(
    configured: settings.Catalog,
    store: ObjectStore,
    token: pulumi.Output[str] | None,
    credential: pulumi.Output[str] | None,
) -> connections.Catalog:
    """Return the connection to the REST catalog at the settings' `uri`.

    token, credential: the stack's secrets. Raises pulumi.RunError when OAuth2 is set up and its credential is not.
    """
    if configured.uri is None:
        raise ValueError("the settings name no catalog")
    root = warehouse(store.bucket) if configured.warehouse is None else configured.warehouse
    authentication: connections.Authentication = None
    if configured.oauth2 is not None:
        if credential is None:
            raise pulumi.RunError(
                "headwater:catalog.oauth2 needs the client's id and secret: "
                f"`pulumi config set --secret {settings.CATALOG_CREDENTIAL} id:secret`"
            )
        authentication = connections.ClientCredentials(
            credential, configured.oauth2.server_uri, configured.oauth2.scope
        )
    elif configured.sigv4 is not None:
        authentication = connections.RequestSignature(store.region, configured.sigv4.service, store.role)
    elif token is not None:
        authentication = connections.BearerToken(token)
    return connections.Catalog(configured.uri, root, authentication)
