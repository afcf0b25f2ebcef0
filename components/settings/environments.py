"""The environments of a stack's workflows on GitHub. Who runs a job in one gets the role that trusts it."""

from __future__ import annotations

PREVIEW, DRIFT = "preview", "drift"


def of_previews(stack: str) -> list[str]:
    """Return the environments of a stack's previews: a branch's code runs in the first, main's in the second.

    Two, because a preview may wait for a reviewer and the nightly look for drift must not.
    """
    return [f"{stack}-{PREVIEW}", f"{stack}-{DRIFT}"]


def of_deployment(stack: str) -> str:
    """Return the environment in which a stack is deployed."""
    return stack


def own(stack: str) -> str:
    """Return the stack's name. Raises ValueError for one whose deployment has the environment of another stack."""
    for purpose in (PREVIEW, DRIFT):
        other = stack.lower().removesuffix(f"-{purpose}")
        if other != stack.lower():
            raise ValueError(
                f"a stack's name must not end in -{purpose}: the {purpose} of a stack {other} runs in the environment "
                f"{other}-{purpose} of GitHub, which the role that deploys this one would trust. Take another name"
            )
    if stack != stack.lower():
        raise ValueError(
            "GitHub does not tell large letters from small ones in the name of an environment, so that this stack "
            f"could have another's. Call it {stack.lower()}"
        )
    return stack
