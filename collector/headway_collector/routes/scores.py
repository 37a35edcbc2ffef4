"""Scores one by one: a thumb from the dashboard, a judgement from a script."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Response

from headway.records import Score
from headway_collector.errors import ErasedError, InvalidRequestError
from headway_collector.routes.access import (
    BUSY,
    REFUSALS,
    CollectorAccess,
    Ingester,
    ProjectHeader,
    Reader,
    answer_json,
)
from headway_collector.routes.posted import PostedRoute
from headway_collector.schemas.answers import ScorePage, ScoreSaved
from headway_collector.schemas.evaluations import ScoreBody
from headway_collector.schemas.queries import ScoreListQuery
from headway_collector.soundness import find_score_fault
from headway_collector.store.batches import Batch
from headway_collector.store.scores import list_scores
from headway_collector.times import parse_absolute

router = APIRouter(tags=["scores"], responses=REFUSALS, route_class=PostedRoute)


@router.post("/v1/scores", responses={200: {"model": ScoreSaved}, **BUSY})
async def post_score(
    collector: CollectorAccess, caller: Ingester, project: ProjectHeader, body: ScoreBody
) -> Response:
    """Store a score, and answer once it is on disk."""
    fields = body.model_dump(exclude={"time", "score_id"})
    score = Score(
        score_id=body.score_id or collector.make_id(),
        time_ns=collector.clock_ns() if body.time is None else parse_absolute(body.time),
        **fields,
    )
    fault = find_score_fault(score)
    if fault is not None:
        raise InvalidRequestError(fault)
    batch = Batch(project, scores=[score])
    answer = await asyncio.wrap_future(collector.writer.append(batch))
    if answer.rejected:
        raise ErasedError(
            f"the score {score.name[:80]!r} is refused as erased: its call, trace, session or "
            "author was erased from this project, and nothing from before that is kept"
        )
    return answer_json({"score_id": score.score_id})


@router.get("/v1/scores", responses={200: {"model": ScorePage}})
def get_scores(
    collector: CollectorAccess, caller: Reader, query: Annotated[ScoreListQuery, Query()]
) -> Response:
    """List the scores that pass the filters, page by page, the newest first."""
    filters = query.to_filters(collector.clock_ns(), caller)
    return answer_json(list_scores(collector.store, filters, query.to_page()))
