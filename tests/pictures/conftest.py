"""A tiny image model for the tests of pictures."""

import pytest

pytest.importorskip("PIL", reason="needs the extra images")


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    pytest.importorskip("onnx", reason="needs the extra tune")
    from picture_world import tiny_model

    return tiny_model(tmp_path_factory.mktemp("models") / "quarters")
