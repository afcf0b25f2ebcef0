"""What AWS accepts as a name: of a region, of a bucket, and in a tag."""

from __future__ import annotations

import difflib
import ipaddress
import unicodedata
from functools import cache
from typing import Annotated

from pydantic import AfterValidator, Field

from components.settings.base import Allowed

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
RESERVED_BEGINNINGS = ("xn--", "sthree-", "amzn-s3-demo-")
RESERVED_ENDS = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")


@cache
def regions() -> tuple[str, ...]:
    """Return the regions of the partition `aws` that botocore knows: its data comes with the package."""
    # Imported here: a stack without AWS need not wait for it.
    from botocore.loaders import Loader

    partitions = Loader().load_data("endpoints")["partitions"]
    return tuple(sorted(next(each["regions"] for each in partitions if each["partition"] == "aws")))


def known_region(value: str) -> str:
    """Return the region. Raises ValueError for one that botocore does not know, with those that look like it."""
    if value in regions():
        return value
    close = difflib.get_close_matches(value, regions(), cutoff=0.75)
    told = f"close to it: {', '.join(close)}" if close else f"known: {', '.join(regions())}"
    raise ValueError(
        f"there is no such region; {told}. The list is botocore's: for one that opened since, raise boto3 in "
        "pyproject.toml, then `make lock`"
    )


def bucket_name(value: str) -> str:
    """Return the name of a bucket. Raises ValueError for one that S3 refuses, with the reason."""
    beginning = next((each for each in RESERVED_BEGINNINGS if value.startswith(each)), None)
    end = next((each for each in RESERVED_ENDS if value.endswith(each)), None)
    if beginning is not None:
        raise ValueError(f"S3 keeps names that begin with {beginning} to itself; take another beginning")
    if end is not None:
        raise ValueError(f"S3 keeps names that end with {end} to itself; take another end")
    if ".." in value:
        raise ValueError("a bucket's name has no two dots beside one another")
    try:
        ipaddress.IPv4Address(value)
    except ValueError:
        return value
    raise ValueError("a bucket's name must not look like an address")


def tag_value(value: str) -> str:
    """Return the value of a tag. Raises ValueError for one that IAM or RDS refuses; other services take more.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_Tag.html, and the same of RDS.
    """
    # In code: the editors' patterns have no classes of letters.
    wrong = sorted({each for each in value if each not in "_.:/=+-@" and unicodedata.category(each)[0] not in "LNZ"})
    if wrong:
        shown = " ".join(map(repr, wrong))
        raise ValueError(f"IAM refuses {shown}; allowed are letters, digits, spaces and _ . : / = + - @")
    beginning = next((each for each in ("aws:", "rds:") if value.lower().startswith(each)), None)
    if beginning is not None:
        raise ValueError(f"it begins with {beginning}, which AWS keeps to itself; take another beginning")
    return value


TagValue = Annotated[
    str,
    Field(min_length=1, max_length=256),
    AfterValidator(tag_value),
    Allowed("1 to 256 letters, digits, spaces and _ . : / = + - @"),
]


def repository_name(value: str) -> str:
    """Return the name of a repository on GitHub. Raises ValueError for its address."""
    if value.endswith(".git"):
        raise ValueError("it is the repository's name, without .git")
    return value


def aws_prefix(value: str) -> str:
    """Return the beginning of all names of a stack. Raises ValueError for one with which AWS refuses some of them."""
    if "--" in value:
        raise ValueError("RDS and ECR refuse names with two hyphens beside one another")
    return bucket_name(value)
