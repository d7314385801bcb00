"""Requests that tell none of the signals that the model has learnt from: answered no worse than by a model without them."""

import numpy as np
import polars as pl
from learning_worlds import catalogue, habits

from occasion.learning import pipeline
from occasion.learning.dataset import Dataset, build_requests


def test_a_model_of_moments_serves_requests_without_signals_by_habit():
    events = habits(users=60, moments=34).with_row_index("n")
    late = pl.col("n") % 34 >= 30
    learnt, asked = events.filter(~late).drop("n"), events.filter(late).with_columns(query_id=pl.col("n").cast(pl.String))
    data = Dataset.from_frames(catalogue(20), learnt)
    queries = data.queries(asked)
    hits = {}
    for without in (("sequence",), ("sequence", "context")):
        requests = build_requests(data.events, queries)
        requests.signals = np.full_like(requests.signals, -1)
        found, _ = pipeline.fit(data, without=without, budget=900).predict(requests, 2)
        hits[without] = float(np.mean([q in row for q, row in zip(queries.item, found, strict=True)]))
    assert hits["sequence",] > 0.6
    assert hits["sequence",] > hits["sequence", "context"] - 0.05
