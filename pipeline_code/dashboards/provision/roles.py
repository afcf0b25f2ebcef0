"""The two roles that Headwater adds to Superset's own, as data and one function that applies them."""

from typing import Any, Final

# What a browser needs to show a published dashboard, its filters and its links; no menu, no explore, no SQL Lab.
VIEWER_PERMISSIONS: Final = frozenset(
    {
        ("can_read", "Dashboard"),
        ("can_read", "Chart"),
        ("can_read", "Dataset"),
        ("can_get", "Datasource"),
        ("can_dashboard", "Superset"),
        ("can_dashboard_permalink", "Superset"),
        ("can_log", "Superset"),
        ("can_read", "DashboardPermalinkRestApi"),
        ("can_write", "DashboardPermalinkRestApi"),
        ("can_read", "DashboardFilterStateRestApi"),
        ("can_write", "DashboardFilterStateRestApi"),
        ("can_time_range", "Api"),
        ("can_query", "Api"),
        ("can_query_form_data", "Api"),
        ("can_read", "CssTemplate"),
        ("can_read", "Theme"),
        ("can_read", "CurrentUserRestApi"),
        ("can_read", "SecurityRestApi"),
        ("can_read", "AvailableDomains"),
        ("can_recent_activity", "Log"),
        ("can_view_chart_as_table", "Dashboard"),
        # From a number to its parts: drill by another column, or to the mart's rows behind it.
        ("can_drill", "Dashboard"),
        ("can_get_drill_info", "Dataset"),
        ("can_samples", "Datasource"),
        ("can_write", "ExploreFormDataRestApi"),
        ("can_csv", "Superset"),
        ("can_export", "Chart"),
        ("menu_access", "Home"),
        ("menu_access", "Dashboards"),
    }
)
# Its view of users is another one for each way to log in.
USER_PERMISSIONS: Final = ("can_userinfo",)
# Superset's own roles whose permissions the editor has: all data, making charts and dashboards, SQL Lab.
EDITOR_LIKE: Final = ("Alpha", "sql_lab")


class MissingPermissionError(RuntimeError):
    """A permission that a role needs does not exist in this version of Superset."""


def apply_roles(security_manager: Any, datasets: list[Any]) -> None:
    """Make the roles `viewer` and `editor` exactly what this file says, with the given datasets for the viewer.

    Call it after `sync_role_definitions` and after the datasets exist.
    Raises MissingPermissionError when Superset has renamed a permission.
    """
    viewer_permissions = []
    users = security_manager.user_view.class_permission_name
    for permission, view in sorted({*VIEWER_PERMISSIONS, *((each, users) for each in USER_PERMISSIONS)}):
        found = security_manager.find_permission_view_menu(permission, view)
        if found is None:
            raise MissingPermissionError(
                f"role viewer: Superset has no permission ({permission!r}, {view!r}); correct it in provision/roles.py"
            )
        viewer_permissions.append(found)
    viewer_permissions += [
        security_manager.add_permission_view_menu("datasource_access", dataset.get_perm()) for dataset in datasets
    ]
    viewer = security_manager.add_role("viewer")
    viewer.permissions = viewer_permissions
    editor = security_manager.add_role("editor")
    editor.permissions = sorted(
        {permission for name in EDITOR_LIKE for permission in security_manager.find_role(name).permissions},
        key=lambda permission: permission.id,
    )
