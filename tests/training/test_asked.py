"""What versions were worth at the moments that the gate asked about, kept and compared."""

from __future__ import annotations

import numpy as np
import pytest

from occasion.settings import load_settings
from occasion.stores import open_store
from occasion.training.asked import falls_behind, keep_asked
from occasion.versions import Versions

MOMENTS = range(60)
USERS = {seq: seq % 30 for seq in MOMENTS}


@pytest.fixture
def versions(tmp_path):
    store = open_store(load_settings(home=tmp_path).resolved_store_url)
    yield Versions(store, tmp_path)
    store.close()


def kept(versions, asked):
    def write(folder):
        folder.mkdir(parents=True)
        keep_asked(folder, asked)

    return versions.put(write).id


def test_who_answers_as_before_is_not_behind(versions):
    """Worths such as 1 / log2(3) have no end: what was kept of them must be equal all the same."""
    worth = {seq: float(1 / np.log2(3 + seq % 7)) for seq in MOMENTS}
    assert falls_behind(worth, USERS, versions, kept(versions, worth)) == ""


def test_who_is_a_little_worse_everywhere_is_behind(versions):
    worth = {seq: 0.5 for seq in MOMENTS}
    serving = kept(versions, worth)
    why = falls_behind({seq: 0.49 for seq in MOMENTS}, USERS, versions, serving)
    assert f"worse than {serving}" in why
    assert falls_behind({seq: 0.51 for seq in MOMENTS}, USERS, versions, serving) == ""


def test_of_few_moments_in_common_nothing_is_said(versions):
    serving = kept(versions, {seq: 1.0 for seq in range(10)})
    assert falls_behind(dict.fromkeys(MOMENTS, 0.0), USERS, versions, serving) == ""
