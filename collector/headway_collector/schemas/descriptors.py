"""Which calls to describe, and how far that came."""

from pydantic import BaseModel, Field

from headway_collector.describing import DESCRIBED_ROWS
from headway_collector.schemas.maintenance import MOST_ROWS, RepriceQuery


class DescribeQuery(RepriceQuery):
    """Which calls; without a filter all that have no descriptors of this version."""

    limit: int = Field(DESCRIBED_ROWS, ge=1, le=MOST_ROWS, description="calls of one chunk")
    all: bool = Field(False, description="those too that are described")


class OwnFunction(BaseModel):
    """A function of the user, and what came of it since the start of the collector.

    The counts are null for a key of some projects: they are of all.
    """

    name: str
    kind: str = Field(description="own or model: the table of headway.toml that names it")
    version: int
    calls: int | None = Field(description="that it was asked about")
    faults: int | None = Field(description="of these that have no value, since it failed")
    last_fault: str | None
    left_out: int | None = Field(
        description="calls not asked about: its hour was used up, or it rested"
    )


class Descriptors(BaseModel):
    """How far calls are described."""

    version: int | None = Field(description="of the descriptors; null before the first call")
    described: int = Field(description="calls that have descriptors of this version")
    due: int = Field(description="calls that have none yet, or were written anew since")
    lag_s: float = Field(description="how long ago the oldest call without descriptors arrived")
    faults: int | None = Field(
        description="calls since the start that could not be described; null as those below"
    )
    own: list[OwnFunction] = Field(description="the functions that headway.toml names")
