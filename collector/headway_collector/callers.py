"""Who asks, and what that is allowed: which scopes, and which projects.

A collector without keys answers everyone, since only its own machine reaches it (``origins``). With
keys each caller is one of them. Whatever a route reads or writes goes through ``narrow`` or
``check_project``, so that no filter, cursor or id leads out of the projects of a key.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from headway.records import DEFAULT_PROJECT
from headway_collector.errors import ForbiddenError

Scope = Literal["ingest", "read", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

_SHOWN_CHARS = 80


@dataclass(frozen=True, slots=True)
class Caller:
    """One caller.

    Args:
        scopes: what it may do; ``admin`` may do everything in its projects.
        projects: which it may do that in; None means all, those to come too.
        key_id: the key that it came with; None where there are no keys.
    """

    scopes: frozenset[Scope]
    projects: tuple[str, ...] | None = None
    key_id: str | None = None

    @property
    def has_one_project(self) -> bool:
        """Whether all that the caller posts belongs to one project."""
        return self.projects is not None and len(self.projects) == 1

    @property
    def default_project(self) -> str:
        """The project of what is posted without the name of one."""
        return self.projects[0] if self.projects and self.has_one_project else DEFAULT_PROJECT

    def check_scope(self, scope: Scope) -> None:
        """Do nothing where the caller has the scope.

        Raises:
            ForbiddenError: it has not.
        """
        if scope not in self.scopes and "admin" not in self.scopes:
            had = ", ".join(sorted(self.scopes))
            raise ForbiddenError(
                f"this needs a key with the scope {scope}, and key {self.key_id} has {had}"
            )

    def has_project(self, project: str) -> bool:
        """Return whether the project is one of the caller's."""
        return self.projects is None or project in self.projects

    def check_project(self, project: str) -> str:
        """Return the name of a project as it is, where it is the caller's.

        Raises:
            ForbiddenError: it is not, whether there is such a project or not.
        """
        if not self.has_project(project):
            raise ForbiddenError(f"key {self.key_id} is not for project {project[:_SHOWN_CHARS]!r}")
        return project

    def narrow(self, projects: Sequence[str]) -> tuple[str, ...]:
        """Return the projects to look at when these are asked for; none means all that there are.

        Raises:
            ForbiddenError: one of those asked for is not the caller's.
        """
        if self.projects is None:
            return tuple(projects)
        for project in projects:
            self.check_project(project)
        return tuple(projects) or self.projects

    def check_everything(self) -> None:
        """Do nothing where the caller may do what concerns all projects at once.

        Raises:
            ForbiddenError: its key is for some projects only.
        """
        if self.projects is not None:
            raise ForbiddenError(
                f"this concerns all projects, and key {self.key_id} is for "
                f"{', '.join(self.projects)}: make one with --all-projects"
            )


EVERYONE = Caller(frozenset(SCOPES))
"""Whoever asks a collector without keys."""
