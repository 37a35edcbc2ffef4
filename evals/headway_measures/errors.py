"""The measures' exceptions.

HeadwayError
└── MeasureError
└── ScorerError        a scorer was asked for with a name or an option that it cannot take
"""

from headway.errors import HeadwayError


class MeasureError(HeadwayError):
    """A measure was asked for something that has no answer."""


class ScorerError(MeasureError):
    """A scorer's name or options cannot be used."""
