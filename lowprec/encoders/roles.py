"""What each column of a frame becomes: as the user named it, or by its Arrow type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lowprec.checks import entries_of
from lowprec.encoders.kinds import ROLES, role_of, type_holds_nothing


def roles_of(found: Mapping[str, Any], named: Mapping[str, Any]) -> dict[str, str]:
    """The role of each column; `named` has the names of each role, or None.

    TypeError or ValueError name what is wrong.
    """
    roles: dict[str, str] = {}
    for role in ROLES:
        for name in _names(role, named[role]):
            if name in roles:
                raise ValueError(f"column {name!r} is named in {roles[name]} and in {role}")
            roles[name] = role
    if unknown := [name for name in roles if name not in found]:
        raise ValueError(
            f"the frame has no column {', '.join(map(repr, unknown))}, named in "
            f"{', '.join(sorted({roles[name] for name in unknown}))}"
        )
    return {name: roles.get(name) or _found_role(name, column) for name, column in found.items()}


def _found_role(name: str, column: Any) -> str:
    if type_holds_nothing(column.type):
        raise ValueError(
            f"column {name!r} has neither values nor a type: name it in categorical, numerical or "
            "multi, or leave it out"
        )
    return role_of(column.type)


def _names(role: str, names: Any) -> list[str]:
    if names is None:
        return []
    entries = entries_of(names)
    if entries is None:
        raise TypeError(f"{role} must be a list of names of columns, got {names!r}")
    for place, name in enumerate(entries):
        if not isinstance(name, str):
            raise TypeError(f"{role}[{place}] must be the name of a column, got {name!r}")
        if name in entries[:place]:
            raise ValueError(f"{role}[{place}] = {name!r} is there twice")
    return [str(name) for name in entries]
