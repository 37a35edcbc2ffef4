"""``context``: a user, a session, tags and a place for all spans inside."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from headway.contexts import LABELS, Labels, restore
from headway.fields import as_word, as_words, checked
from headway.lifecycle import current_client


@contextmanager
def context(
    *,
    user: str | None = None,
    session: str | None = None,
    tags: Iterable[str] = (),
    environment: str | None = None,
    release: str | None = None,
) -> Iterator[None]:
    """Give all spans inside a user, a session, more tags, an environment, a release."""
    client, outer = current_client(), LABELS.get()
    added = checked(client.guard, "tags", as_words, tags) or ()
    joined = dict.fromkeys((*outer.tags, *added))
    labels = Labels(
        user=checked(client.guard, "user", as_word, user) or outer.user,
        session=checked(client.guard, "session", as_word, session) or outer.session,
        tags=tuple(checked(client.guard, "tags", as_words, joined) or ()),
        environment=checked(client.guard, "environment", as_word, environment) or outer.environment,
        release=checked(client.guard, "release", as_word, release) or outer.release,
    )
    token = None
    try:
        token = LABELS.set(labels)
        yield
    finally:
        if token is None:
            # A signal handler raised in the very call.
            LABELS.set(outer)
        else:
            restore(LABELS, token)
