"""Who may do what, where. Slices declare permissions and the roles that hold them; routes name one permission each.

A role holds within an area path: a grant at `420800000000/420802000000` covers every community below it. Deny by
default: a permission nobody declared is held by nobody, and a route that names none fails the suite.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from starlette.requests import Request

from hub.errors import NotAllowed, NotSignedIn
from hub.i18n import _

ROLES = [
    "resident",
    "grid_worker",
    "attendant",
    "staff",
    "director",
    "doctor",
    "supervisor",
    "points_office",
    "operator",
    "publisher",
    "department",
    "admin",
]


@dataclass(frozen=True, slots=True)
class Grant:
    role: str
    area_path: str  # "" = the whole tree


@dataclass(frozen=True, slots=True)
class Subject:
    """Whoever asks: a resident, a staff member, a kiosk, a TV box, an API token, or nobody."""

    id: str = "nobody"
    kind: str = "nobody"  # resident | staff | kiosk | tv | token | nobody
    grants: tuple[Grant, ...] = ()
    area: str = ""  # the community one belongs to or stands in
    area_path: str = ""
    household: str | None = None
    hut: str | None = None
    person: str | None = None  # the natural person behind a staff id: nobody signs twice under two accounts
    surface: str = ""  # resident | staff | kiosk | tv
    session: str = ""  # opaque session id
    csrf: str = ""
    proved_at: datetime | None = None  # when this session's holder last typed the password (hub/fresh.py)
    emergencies: bool = False  # an API token that an operator marked for signing emergencies
    permissions: Permissions | None = field(default=None, repr=False, compare=False)

    def may(self, permission: str, area_path: str | None = None) -> bool:
        """Whether a role of this subject holds the permission (in that place, or anywhere when none is given)."""
        holders = self.permissions.roles(permission) if self.permissions else frozenset()
        for grant in self.grants:
            if grant.role in holders and (area_path is None or covers(grant.area_path, area_path)):
                return True
        return False

    def require(self, permission: str, area_path: str | None = None) -> None:
        if not self.may(permission, area_path):
            raise NotAllowed(_("Your role does not cover this here"))

    def paths(self, permission: str) -> tuple[str, ...]:
        """The area paths in which the permission is held."""
        holders = self.permissions.roles(permission) if self.permissions else frozenset()
        return tuple(grant.area_path for grant in self.grants if grant.role in holders)

    def with_permissions(self, permissions: Permissions) -> Subject:
        return replace(self, permissions=permissions)


NOBODY = Subject()


def covers(granted_path: str, area_path: str) -> bool:
    return granted_path == "" or area_path == granted_path or area_path.startswith(granted_path + "/")


class Permissions:
    """Permission -> roles, gathered from every slice's manifest."""

    def __init__(self, declared: Iterable[Mapping[str, Iterable[str]]] = ()) -> None:
        self._roles: dict[str, frozenset[str]] = {}
        for mapping in declared:
            for permission, roles in mapping.items():
                unknown = set(roles) - set(ROLES)
                if unknown:
                    raise ValueError(f"permission {permission} names unknown roles {sorted(unknown)}")
                self._roles[permission] = self._roles.get(permission, frozenset()) | frozenset(roles)

    def roles(self, permission: str) -> frozenset[str]:
        return self._roles.get(permission, frozenset())

    def names(self) -> list[str]:
        return sorted(self._roles)


class Needs:
    """A route's declaration, as a FastAPI dependency. Holds the subject's request to one permission."""

    def __init__(self, permission: str) -> None:
        self.permission = permission

    def __call__(self, request: Request) -> Subject:
        who = subject(request)
        if who.kind == "nobody":
            raise NotSignedIn(_("Please sign in first"))
        who.require(self.permission)
        return who


class SignedIn:
    """A route for any subject of the given kinds, about themselves only."""

    def __init__(self, *kinds: str) -> None:
        self.kinds = kinds

    def __call__(self, request: Request) -> Subject:
        who = subject(request)
        if who.kind not in self.kinds:
            raise NotSignedIn(_("Please sign in first"))
        return who


class Public:
    """A route open to everyone, said aloud with the reason."""

    def __init__(self, why: str) -> None:
        self.why = why

    def __call__(self, request: Request) -> Subject:
        return subject(request)


def needs(permission: str) -> Any:
    return _dependency(Needs(permission))


def signed_in(*kinds: str) -> Any:
    return _dependency(SignedIn(*kinds))


def public(why: str) -> Any:
    return _dependency(Public(why))


def _dependency(declared: Needs | SignedIn | Public) -> Any:
    from fastapi import Depends  # only who declares a route pays for FastAPI: 0.15 s, and 15 MB in a worker without one

    return Depends(declared)


def subject(request: Request) -> Subject:
    """The subject the web shell found for this request (web/auth.py puts it there)."""
    found: Subject = getattr(request.state, "subject", NOBODY)
    return found


def declarations(route: Any) -> list[Needs | SignedIn | Public]:
    """What a route declares; the suite fails a route for which this is empty."""
    found: list[Needs | SignedIn | Public] = []
    stack = [route.dependant] if hasattr(route, "dependant") else []
    while stack:
        dependant = stack.pop()
        if isinstance(dependant.call, Needs | SignedIn | Public):
            found.append(dependant.call)
        stack.extend(dependant.dependencies)
    return found
