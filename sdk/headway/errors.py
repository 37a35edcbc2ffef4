"""The client's exceptions.

    HeadwayError
    ├── SettingsError          a setting has a value that cannot be used
    ├── PromptError            a prompt cannot be made, or lacks a variable
    ├── CommandError           a command cannot do what it was asked; the line says why
    └── ApiError               the collector answered, and the answer is no
        └── UnreachableError   nobody answered

None of them ever reaches a function under ``@observe``: the client counts and logs its own
faults. They are for settings, prompts that are formatted, commands, and code that reads from a
collector.
"""


class HeadwayError(Exception):
    """Anything that went wrong in Headway. The message says what, with which value, what to do."""


class SettingsError(HeadwayError):
    """A setting has a value that cannot be used."""


class PromptError(HeadwayError):
    """A prompt cannot be made of what it was given, or a variable of it has no value."""


class CommandError(HeadwayError):
    """A command cannot do what it was asked."""


class ApiError(HeadwayError):
    """The collector refused a request.

    Args:
        message: what happened and what to do.
        status: the HTTP status, or 0 where there was no answer.
        code: the collector's word for the fault, for example ``unknown_path``.
    """

    def __init__(self, message: str, *, status: int = 0, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class UnreachableError(ApiError):
    """No collector answered at that address."""
