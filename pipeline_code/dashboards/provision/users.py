"""The users that Headwater provisions; their passwords come from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from werkzeug.security import check_password_hash, generate_password_hash


@dataclass(frozen=True)
class User:
    """A user to provision: `role` is a role's name in Superset."""

    name: str
    role: str
    password: str = field(repr=False)


def users_from(environment: Mapping[str, str]) -> tuple[User, ...]:
    """Read the three users from ADMIN_PASSWORD, EDITOR_PASSWORD and VIEWER_PASSWORD; KeyError names a missing one."""
    return (
        User("admin", "Admin", environment["ADMIN_PASSWORD"]),
        User("editor", "editor", environment["EDITOR_PASSWORD"]),
        User("viewer", "viewer", environment["VIEWER_PASSWORD"]),
    )


def apply_user(security_manager: Any, user: User) -> str:
    """Create the user, or give it the role and password it should have; returns what was done.

    A password that already matches is left alone, so that running twice ends no session.
    """
    role = security_manager.find_role(user.role)
    found = security_manager.find_user(username=user.name)
    if found is None:
        created = security_manager.add_user(
            user.name, user.name.capitalize(), "Headwater", f"{user.name}@headwater.invalid", role, user.password
        )
        if not created:
            raise RuntimeError(f"user {user.name}: Superset refused to create it, its reason is in the log above")
        return "created"
    changes = []
    if not check_password_hash(found.password, user.password):
        found.password = generate_password_hash(user.password)
        changes.append("password")
    if [held.name for held in found.roles] != [user.role]:
        found.roles = [role]
        changes.append("role")
    if not found.active:
        found.active = True
        changes.append("active")
    return f"updated: {', '.join(changes)}" if changes else "unchanged"
