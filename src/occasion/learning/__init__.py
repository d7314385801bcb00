"""Learning from the event log: sources, sequence model, ranker and rating models over plain arrays."""
