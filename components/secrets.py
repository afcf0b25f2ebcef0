"""Credentials derived from the stack's one root secret, by name and generation."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ALPHABET = string.ascii_letters + string.digits
MINIMUM_ROOT_LENGTH = 32
# Bytes at or above this would make some letters likelier than others: 248 is the largest multiple of 62 below 256.
_FAIR = 256 - 256 % len(ALPHABET)


def derive(root: str, name: str, generation: int = 1, length: int = 32) -> str:
    """Return the credential `name`: `length` letters and digits (32 hold 190 bits), the same for the same arguments.

    HKDF-SHA256 (RFC 5869) with `headwater/<name>/<generation>` as its info. A higher generation is a new credential.
    Raises ValueError for a root secret under 32 characters or a generation below 1.
    """
    if len(root) < MINIMUM_ROOT_LENGTH:
        raise ValueError(f"the root secret has {len(root)} characters; it needs at least {MINIMUM_ROOT_LENGTH}")
    if generation < 1:
        raise ValueError(f"generation of secret '{name}' is {generation}; generations count from 1")
    # Four bytes a letter: the chance that fewer than `length` of them are fair is under 1e-50.
    stream = HKDF(
        algorithm=hashes.SHA256(), length=4 * length, salt=None, info=f"headwater/{name}/{generation}".encode()
    ).derive(root.encode())
    letters = [ALPHABET[byte % len(ALPHABET)] for byte in stream if byte < _FAIR]
    return "".join(letters[:length])


@dataclass(frozen=True)
class Credentials:
    """Derives a stack's credentials; every one it hands out is a Pulumi secret.

    root: the root secret. generations: name → generation of the credentials that have been rotated.
    """

    root: pulumi.Output[str]
    generations: Mapping[str, int] = field(default_factory=dict)

    def get(self, name: str) -> pulumi.Output[str]:
        """Return the credential of that name in its present generation, as a secret output."""
        generation = self.generations.get(name, 1)
        root: pulumi.Output[str] = pulumi.Output.secret(self.root)
        return root.apply(lambda known: derive(known, name, generation))
