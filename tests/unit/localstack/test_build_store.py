"""Which layers of the build store go: none that the last builds were made with, and none that is not ours."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest

from localstack.build_store import Built, parse, superseded


def image(repository: str, made: float) -> Built:
    return Built(f"{repository}-{made:g}", (f"127.0.0.1:5000/headwater/{repository}:{made:g}",), made)


def stage(made: float) -> Built:
    return Built(f"stage-{made:g}", (), made)


def ids(images: list[Built]) -> list[str]:
    return [each.id for each in superseded(images)]


def test_the_last_builds_of_each_image_stay() -> None:
    """A repository that is built rarely must not lose its layers to one that is built every hour."""
    often = [image("ingestion", made) for made in (10, 20, 30, 40)]
    rarely = [image("catalog", 1), image("trino", 2)]
    everything = [*often, *rarely]
    random.Random(7).shuffle(everything)
    assert ids(everything) == ["ingestion-10", "ingestion-20"]


def test_a_stage_goes_with_the_builds_that_may_have_made_it() -> None:
    """Two builds run at once: the image that is finished next may be the other's."""
    images = [stage(1), image("ingestion", 2), stage(3), image("ingestion", 5), image("trino", 6)]
    images += [stage(7), image("ingestion", 8), stage(9), image("ingestion", 10), stage(11)]
    assert ids(images) == ["stage-1", "ingestion-2", "ingestion-5"]


def test_base_images_and_those_of_others_stay() -> None:
    """A base image that is gone is fetched anew at the next build, or can't be, without a network."""
    bases = [Built(str(n), (f"127.0.0.1:5000/base/python:{n}",), n) for n in range(5)]
    others = [Built(f"o{n}", (f"docker.io/somebody/{n}:latest",), n) for n in range(5)]
    assert ids([*bases, *others]) == []


def test_images_are_of_when_their_folder_was_written(tmp_path: Path) -> None:
    """Reproducible images say 1970: by that the last builds would be any."""
    for number, name in enumerate(("a", "b"), 1):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (number, number))
    listed = [
        {"id": "sha256:a", "names": ["r/headwater/x:1"]},
        {"id": "b", "names": None},
        {"id": "gone", "names": None},
    ]
    assert parse(json.dumps(listed), tmp_path) == [Built("a", ("r/headwater/x:1",), 1), Built("b", (), 2)]


@pytest.mark.parametrize("keep", [1, 3])
def test_how_many_builds_stay_is_counted_by_image(keep: int) -> None:
    images = [image(name, made) for name in ("a", "b") for made in (1, 2, 3, 4)]
    assert len(superseded(images, keep)) == 2 * (4 - keep)
