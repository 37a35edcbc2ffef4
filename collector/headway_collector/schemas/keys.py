"""Keys and the audit: what is posted, asked and answered."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, JsonValue, model_validator

from headway_collector.callers import Caller, Scope
from headway_collector.granting import Wish, parse_expiry
from headway_collector.limits import MAX_NAME_CHARS
from headway_collector.schemas.evaluations import Writable
from headway_collector.schemas.queries import PageQuery, Texts, Time, resolve_time
from headway_collector.store.audit import AuditFilters
from headway_collector.store.keys import Key
from headway_collector.times import format_time

MAX_PROJECTS = 1000
"""Of one key; one that is for more is for all."""

_Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS)]


class KeyBody(Writable):
    """A key that is to be made."""

    name: str = Field("", max_length=MAX_NAME_CHARS, description="a word for people")
    projects: list[_Name] = Field(
        default_factory=list, max_length=MAX_PROJECTS, examples=[["support-bot"]]
    )
    all_projects: bool = Field(False, description="in place of `projects`: also those to come")
    scopes: list[Scope] = Field(min_length=1, description="`admin` includes the others")
    expires: str | None = Field(None, description="`90d`, `12h` or RFC 3339", examples=["90d"])
    requests_per_s: float | None = Field(None, ge=0.001, le=1e9, allow_inf_nan=False)
    bytes_per_s: float | None = Field(
        None, ge=1, le=1e15, allow_inf_nan=False, description="of bodies, as they come"
    )

    @model_validator(mode="after")
    def _check_projects(self) -> "KeyBody":
        if bool(self.projects) == self.all_projects:
            raise ValueError("name projects, or say all_projects, and not both")
        return self

    def to_wish(self, now_ns: int) -> Wish:
        """Return what is wished for, with the time resolved.

        Raises:
            InvalidRequestError: ``expires`` is no time to come.
        """
        return Wish(
            name=self.name,
            projects=None if self.all_projects else tuple(dict.fromkeys(self.projects)),
            scopes=tuple(dict.fromkeys(self.scopes)),
            requests_per_s=self.requests_per_s,
            bytes_per_s=self.bytes_per_s,
            expires_ns=None if self.expires is None else parse_expiry(self.expires, now_ns),
        )


class KeyShown(BaseModel):
    """A key without its secret."""

    key_id: str = Field(examples=["5f0a6c1e92d4"])
    name: str
    projects: list[str] | None = Field(description="null: all projects")
    scopes: list[Scope]
    requests_per_s: float | None
    bytes_per_s: float | None
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    state: Literal["good", "expired", "revoked"]


class KeyMade(KeyShown):
    """A new key, whole: it is said once and never again."""

    key: str = Field(examples=["hw_5f0a6c1e92d4_…"])


class Keys(BaseModel):
    """A page of keys."""

    keys: list[KeyShown]
    next_cursor: str | None


class AuditQuery(PageQuery):
    """What narrows the audit."""

    action: Texts
    key_id: Texts
    start: Time = None
    end: Time = None

    def to_filters(self, now_ns: int, caller: Caller) -> AuditFilters:
        """Return the filters with times resolved, within the caller's projects."""
        return AuditFilters(
            project=caller.narrow(self.project),
            action=tuple(self.action),
            key_id=tuple(self.key_id),
            start_ns=resolve_time("start", self.start, now_ns),
            end_ns=resolve_time("end", self.end, now_ns),
        )


class Action(BaseModel):
    """One thing that was done."""

    time: str
    key_id: str | None = Field(description="whose key; null where the collector had none")
    action: str = Field(examples=["key.make"])
    project: str | None = Field(description="null: all projects")
    detail: dict[str, JsonValue]


class Audit(BaseModel):
    """A page of what was done."""

    actions: list[Action]
    next_cursor: str | None


def show_key(key: Key, now_ns: int) -> dict[str, object]:
    """Return a key as it is answered, without its digest."""
    is_over = key.expires_ns is not None and key.expires_ns <= now_ns
    return {
        "key_id": key.key_id,
        "name": key.name,
        "projects": key.projects,
        "scopes": key.scopes,
        "requests_per_s": key.requests_per_s,
        "bytes_per_s": key.bytes_per_s,
        "created_at": format_time(key.created_ns),
        "expires_at": None if key.expires_ns is None else format_time(key.expires_ns),
        "revoked_at": None if key.revoked_ns is None else format_time(key.revoked_ns),
        "state": "revoked" if key.revoked_ns is not None else "expired" if is_over else "good",
    }
