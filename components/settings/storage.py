"""Settings of the object store, and the name of the lake's bucket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from components.settings.base import Allowed, Model, Quantity
from components.settings.naming import bucket_name

MINIO_BUCKET = "lake"


class Storage(Model):
    """The object store that holds the lake."""

    kind: Literal["minio", "s3"] = Field(
        default="minio", description="`minio` runs in the cluster. `s3` is Amazon S3, and needs `aws`."
    )
    bucket: (
        Annotated[
            str,
            Field(pattern=r"^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$"),
            AfterValidator(bucket_name),
            Allowed("3 to 63 of a-z 0-9 -"),
        ]
        | None
    ) = Field(
        default=None,
        description="The lake's bucket. Not set: `lake` on MinIO, `<aws.name>-lake-<account>` on S3, where names are "
        "unique world-wide.",
    )
    region: str = Field(
        default="us-east-1", description="The region that MinIO calls itself. Of MinIO only; S3's is `aws.region`."
    )
    size: Quantity = Field(default="20Gi", description="The size of MinIO's volume. Of MinIO only.")

    @property
    def lake_bucket(self) -> str:
        """The lake's bucket; `load` sets it where the stack's file does not, by `with_bucket`."""
        if self.bucket is None:
            raise ValueError("settings of storage are completed by settings.load, which knows the stack")
        return self.bucket

    def with_bucket(self, name: str, account: str | None) -> Storage:
        """Return them with the lake's bucket. name: what names on AWS begin with. account: None without AWS."""
        if self.bucket is not None:
            return self
        on_s3 = self.kind == "s3" and account is not None
        return self.model_copy(update={"bucket": f"{name}-lake-{account}" if on_s3 else MINIO_BUCKET})


def bucket_contradictions(
    storage: Storage, name: str | None, account: str, state_bucket: str | None
) -> Iterator[tuple[str, object, str]]:
    """Yield the lake's bucket where it is one that has another use. name: what names on AWS begin with, once known."""
    uses = {f"{name}-access-logs-{account}": "access logs", f"{name}-artefacts-{account}": "artefacts"}
    if state_bucket is not None:
        uses[state_bucket] = "Pulumi's state (aws.ci.state_bucket)"
    use = None if storage.bucket is None else uses.get(storage.bucket)
    if use is not None:
        yield "storage.bucket", storage.bucket, f"it is the stack's bucket of {use}; the lake has one of its own"
