"""The tiny models of the encoders' tests, for those of tuning, and a log; no bars of other libraries."""

import os
import sys
from pathlib import Path

import pytest

os.environ["TQDM_DISABLE"] = "1"
sys.path.insert(0, str(Path(__file__).parents[1] / "encoders"))


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    """A model of each family, by its name the folder."""
    import tiny_models  # Needs the extra tune.

    folder = tmp_path_factory.mktemp("bases")
    return {family: str(getattr(tiny_models, family)(folder / family)) for family in ("bert", "t5", "gpt")}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A home with a log, that tests do not write to but for encoders of their own: its settings and its store."""
    import tuning_worlds

    from occasion.settings import load_settings

    home = tmp_path_factory.mktemp("world")
    store = tuning_worlds.fill(home, words=True)
    yield load_settings(home=home), store
    store.close()
