"""Patience: whoever waits for an answer of the encoder gets it, however many wait; what comes too late is kept."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from occasion.errors import EncoderError
from occasion.service.patience import PatientEncoder
from waiting import until


class Slow:
    """An encoder that answers once it is let."""

    version, dim = "slow", 2

    def __init__(self) -> None:
        self.free, self.asked = threading.Event(), 0

    def encode(self, texts, *, role="item", progress=None):
        self.asked += 1
        self.free.wait(60)
        return np.ones((len(texts), 2), np.float32)


def test_all_who_wait_for_one_question_get_its_answer():
    inner = Slow()
    patient = PatientEncoder(inner, 60.0)
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(patient.encode, ["tea"], role="query") for _ in range(4)]
        until(lambda: sum(asked.waiting for asked in patient._running.values()) == 4)
        inner.free.set()
        assert [one.result(60).shape for one in waiting] == [(1, 2)] * 4
    assert inner.asked == 1
    assert patient.encode(["tea"], role="query").shape == (1, 2)
    assert inner.asked == 2, "what somebody waited for is not kept beside"


def late(patient: PatientEncoder, inner: Slow) -> None:
    """Ask, wait in vain, and let the answer come."""
    with pytest.raises(EncoderError, match="no answer within"):
        patient.encode(["tea"], role="query")
    inner.free.set()


def test_what_comes_too_late_is_there_when_it_is_asked_again():
    inner = Slow()
    patient = PatientEncoder(inner, 0.05)
    late(patient, inner)
    until(lambda: not patient._running)
    assert patient.encode(["tea"], role="query").shape == (1, 2)
    assert inner.asked == 1


def test_what_was_asked_before_somebody_left_is_not_kept():
    inner = Slow()
    patient = PatientEncoder(inner, 0.05)
    with pytest.raises(EncoderError):
        patient.encode(["tea"], role="query")
    patient.forget()
    inner.free.set()
    until(lambda: not patient._running)
    patient.wait = 60.0
    patient.encode(["tea"], role="query")
    assert inner.asked == 2
