"""Derived credentials."""

from __future__ import annotations

import pytest

from components.secrets import ALPHABET, derive

ROOT = "r" * 64


def test_a_credential_never_changes_by_itself() -> None:
    """Another value after an upgrade would lock every service out of its database."""
    assert derive(ROOT, "postgres-dagster") == "ERxID61Fy9WFszKwwiLXgozxOss82R66"


def test_names_generations_and_roots_give_different_credentials() -> None:
    """Two services with one password, or a rotation that rotates nothing."""
    made = {derive(ROOT, "a"), derive(ROOT, "b"), derive(ROOT, "a", 2), derive(ROOT.upper(), "a")}
    assert len(made) == 4


def test_credentials_need_no_quoting() -> None:
    """A % or / in a password breaks connection URIs, a quote breaks properties files."""
    for number in range(200):
        credential = derive(ROOT, f"name-{number}")
        assert len(credential) == 32
        assert set(credential) <= set(ALPHABET)


def test_all_letters_are_used_alike() -> None:
    """A modulo bias would give an attacker likelier letters; 62 letters in 64,000 draws are 1,032 each on average."""
    text = "".join(derive(ROOT, f"bias-{number}") for number in range(2000))
    counts = [text.count(letter) for letter in ALPHABET]
    assert min(counts) > 850
    assert max(counts) < 1250


@pytest.mark.parametrize(("root", "generation"), [("short", 1), (ROOT, 0)])
def test_weak_input_is_refused(root: str, generation: int) -> None:
    """An empty root secret would give every installation the same passwords."""
    with pytest.raises(ValueError, match=r"root secret|generation"):
        derive(root, "a", generation)
