"""Amazon ECR: one repository for each image; its tags never move."""

from __future__ import annotations

import json

import pulumi
import pulumi_aws as aws

from components.aws.account import Account, tags
from components.connections import Registry
from components.images.context import TAG_PREFIX

# The tags that move, one an architecture: layers of the last build, for the next one.
CACHE_TAG = "build-cache"
UNTAGGED_DAYS = 14


class EcrRegistry(pulumi.ComponentResource):
    """The repositories, each made when its image is first asked for; `connection` is what pushes go through.

    Docker logs in by itself (`aws ecr get-login-password`): a token in the program would stand in the state.
    """

    def __init__(
        self, name: str, account: Account, key: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("headwater:aws:Registry", name, None, opts)
        self._account, self._key = account, key
        self._ready: dict[str, tuple[pulumi.Resource, ...]] = {}
        self.connection = Registry(
            account.registry, account.settings.prefix, prepare=self._prepare, cache_tag=CACHE_TAG, login=True
        )
        self.register_outputs({})

    def _prepare(self, image: str) -> tuple[pulumi.Resource, ...]:
        if image not in self._ready:
            repository = self._repository(image)
            policy = aws.ecr.LifecyclePolicy(
                f"{_resource(image)}-lifecycle",
                repository=repository.name,
                policy=lifecycle(self._account.settings.retention.images),
                opts=self._account.child(self),
            )
            self._ready[image] = (repository, policy)
        return self._ready[image]

    def _repository(self, image: str) -> aws.ecr.Repository:
        return aws.ecr.Repository(
            f"{_resource(image)}-repository",
            name=f"{self._account.settings.prefix}/{image}",
            image_tag_mutability="IMMUTABLE_WITH_EXCLUSION",
            image_tag_mutability_exclusion_filters=[
                aws.ecr.RepositoryImageTagMutabilityExclusionFilterArgs(filter=f"{CACHE_TAG}-*", filter_type="WILDCARD")
            ],
            image_scanning_configuration=aws.ecr.RepositoryImageScanningConfigurationArgs(scan_on_push=True),
            encryption_configurations=[
                aws.ecr.RepositoryEncryptionConfigurationArgs(encryption_type="KMS", kms_key=self._key)
            ],
            # Images are built anew from the checkout; they are no data.
            force_delete=not self._account.settings.deletion_protection,
            tags=tags("registry"),
            opts=self._account.child(self),
        )


def _resource(image: str) -> str:
    return image.replace("/", "-")


def lifecycle(keep: int) -> str:
    """Return a repository's lifecycle: the newest `keep` builds stay, and what has lost its tag goes.

    ECR counts manifests: a build for two architectures is an index and two images, and layers for the next build are
    more. So builds are counted by their tag, which the index alone has; ECR keeps the images of an index that stays.
    It says so as ImageReferencedByManifestList, https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ImageFailure.html
    """
    untagged = {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days"}
    many = {
        "tagStatus": "tagged",
        "tagPatternList": [f"{TAG_PREFIX}*"],
        "countType": "imageCountMoreThan",
        "countNumber": keep,
    }
    rules = [
        {
            "rulePriority": 1,
            "description": "Without a tag",
            "selection": {**untagged, "countNumber": UNTAGGED_DAYS},
            "action": {"type": "expire"},
        },
        {
            "rulePriority": 2,
            "description": f"All but the newest {keep} builds",
            "selection": many,
            "action": {"type": "expire"},
        },
    ]
    return json.dumps({"rules": rules})
