"""Pictures drawn by the tests, and a tiny real image model that sees coarse colours."""

import io
import json

import numpy as np
from PIL import Image, ImageDraw

SIDE = 8
COLOURS = {"red": (220, 30, 30), "green": (30, 190, 40), "blue": (30, 40, 220), "yellow": (230, 220, 40)}


def drawn(colour, seed=0, size=(24, 24)):
    """Return a picture: a colour with a lighter disc somewhere."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", size, colour)
    x, y = (int(v) for v in rng.integers(2, 14, 2))
    ImageDraw.Draw(image).ellipse((x, y, x + 6, y + 6), fill=tuple(min(c + 25, 255) for c in colour))
    return image


def as_bytes(image, form="PNG", **options):
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def tiny_model(folder, side=SIDE):
    """Save a model that gives the mean colour of each quarter of a picture: 12 values."""
    from onnx import TensorProto, helper

    half = side // 2
    pool = helper.make_node("AveragePool", ["picture"], ["quarters"], kernel_shape=[half, half], strides=[half, half])
    flat = helper.make_node("Flatten", ["quarters"], ["vector"])
    taken = [helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["n", 3, side, side])]
    given = [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["n", 12])]
    graph = helper.make_graph([pool, flat], "quarters", taken, given)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    (folder / "picture.json").write_text(json.dumps({"side": side, "mean": [110.0], "std": [60.0]}))
    return folder
