"""Prompts: named templates, whose version is a hash of what they say.

    TRIAGE = headway.Prompt("triage", "Sort this message: {message}")

    @headway.observe(kind="llm", prompt=TRIAGE)
    def triage(message: str) -> str:
        return ask(TRIAGE.format(message=message))

The span of the call has the prompt's name, its version and the variables that it was formatted
with. The template itself goes to the collector once a process, as a record of its own.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

from headway.contexts import CURRENT
from headway.errors import PromptError
from headway.fields import as_name, as_word, checked
from headway.lifecycle import current_client
from headway.records import PromptVersion
from headway.templates import fill, find_variables
from headway.values import capture

if TYPE_CHECKING:
    from headway.clients import Client

Messages = list[dict[str, Any]]
T = TypeVar("T", str, Messages)

_LONGEST_NAME = 256
_VERSION_DIGITS = 12


class Prompt(Generic[T]):
    """A named template: a text, or the messages of a chat.

    Args:
        name: what it is for, for example ``triage``.
        template: a text, or a list of messages such as
            ``{"role": "user", "content": "{question}"}``. ``{name}`` is a variable, and
            ``{{name}}`` gives ``{name}``.

    Raises:
        PromptError: the name is no short text, or the template is no text and no list of messages.
    """

    @overload
    def __init__(self: "Prompt[str]", name: str, template: str) -> None: ...

    @overload
    def __init__(
        self: "Prompt[Messages]", name: str, template: Sequence[Mapping[str, Any]]
    ) -> None: ...

    def __init__(self, name: str, template: Any) -> None:
        if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME:
            raise PromptError(f"a prompt's name is {name!r}: give 1 to {_LONGEST_NAME} characters")
        self._name = name
        written = _written(name, template)
        self._version = _hash_of(written)
        self._template: T = _read(written)
        self._variables = find_variables(self._template)

    @property
    def name(self) -> str:
        """What the prompt is called; all of its versions share it."""
        return self._name

    @property
    def version(self) -> str:
        """Twelve hex digits that follow from the template: another text has another version."""
        return self._version

    @property
    def template(self) -> T:
        """The text or the messages with their variables unfilled, as a copy."""
        return cast(T, _read(_written(self._name, self._template)))

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of the variables, in the order in which they first appear."""
        return self._variables

    def __repr__(self) -> str:
        return f"Prompt({self._name!r}, version={self._version!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Prompt):
            return NotImplemented
        return (self._name, self._version) == (other._name, other._version)

    def __hash__(self) -> int:
        return hash((self._name, self._version))

    def format(self, /, **variables: object) -> T:
        """Return the template with the variables filled in, and note them on the current span.

        A variable's value is written as ``str`` writes it. One that the template does not have is
        noted and changes nothing.

        Raises:
            PromptError: a variable of the template is missing.
        """
        missing = [name for name in self._variables if name not in variables]
        if missing:
            raise PromptError(
                f"the prompt {self._name!r} needs {', '.join(missing)}: "
                f"format({', '.join(f'{name}=…' for name in self._variables)})"
            )
        _note(self, variables)
        return cast(T, fill(self._template, variables))


def register(client: "Client", prompt: "Prompt[Any]") -> None:
    """Record a prompt's template, once a client."""
    known = prompt.name, prompt.version
    if known in client.prompts or not client.is_recording:
        return
    client.prompts.add(known)
    client.record(
        PromptVersion(
            name=prompt.name,
            version=prompt.version,
            template=capture(prompt.template, client.limits),
            time_ns=client.clock_ns(),
        )
    )


def prompt_fields(client: "Client", prompt: Any) -> dict[str, str | None]:
    """Return the fields of a span that name its prompt."""
    if prompt is None or type(prompt) is str:
        return {"prompt_name": prompt}
    if issubclass(type(prompt), Prompt):
        register(client, prompt)
    return {
        "prompt_name": checked(client.guard, "prompt", _name_in, prompt),
        "prompt_version": checked(client.guard, "prompt", _version_in, prompt),
    }


def _note(prompt: "Prompt[Any]", variables: Mapping[str, object]) -> None:
    # A parent in another process has no record here, and outside of any span there is none.
    record = getattr(CURRENT.get(), "record", None)
    if record is None or record.prompt_name not in (None, prompt.name):
        return
    client = current_client()
    try:
        register(client, prompt)
        record.prompt_name, record.prompt_version = prompt.name, prompt.version
        record.prompt_variables = capture(variables, client.limits)
    except Exception as error:
        client.guard.catch("noting a prompt", error, of=prompt.name)


def _written(name: str, template: object) -> str:
    import json  # most programs that import us never make a prompt

    if not isinstance(template, str):
        # Any other sequence of mappings becomes lists and dicts.
        if not isinstance(template, Sequence) or not all(
            isinstance(message, Mapping) for message in template
        ):
            raise PromptError(
                f"the template of the prompt {name!r} is of type {type(template).__name__}: "
                "give a text or a list of messages"
            )
        template = [dict(message) for message in template]
    try:
        # Escaped, since a text may hold half a surrogate pair; sorted, since the order of keys
        # says nothing.
        return json.dumps(template, sort_keys=True)
    except (TypeError, ValueError, RecursionError) as error:
        raise PromptError(f"the messages of the prompt {name!r} are not JSON: {error}") from error


def _read(written: str) -> Any:
    import json

    return json.loads(written)


def _hash_of(written: str) -> str:
    from hashlib import sha256

    return sha256(written.encode()).hexdigest()[:_VERSION_DIGITS]


def _name_in(prompt: Any) -> str:
    return as_name(prompt if isinstance(prompt, str) else getattr(prompt, "name", None))


def _version_in(prompt: Any) -> str | None:
    return None if isinstance(prompt, str) else as_word(getattr(prompt, "version", None))
