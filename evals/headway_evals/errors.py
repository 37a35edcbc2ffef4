"""The evals' exceptions.

HeadwayError
└── EvalError
├── SuiteError         a suite file has faults; all of them are listed, with their lines
├── ModelError         a model cannot be found, loaded or run
├── RunError           a run on disk is missing, unfinished or damaged
├── ComparisonError    two runs have nothing to be compared by
└── ImportingError     someone's file cannot be read into ours
"""

from headway.errors import HeadwayError


class EvalError(HeadwayError):
    """An eval cannot be done."""


class SuiteError(EvalError):
    """A suite file cannot be used."""


class ModelError(EvalError):
    """A model cannot be found, loaded or run."""


class RunError(EvalError):
    """A run on disk cannot be read."""


class ComparisonError(EvalError):
    """Two runs have nothing to be compared by."""


class ImportingError(EvalError):
    """A file of another tool cannot be read into ours."""
