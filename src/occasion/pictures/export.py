"""EfficientNet-Lite0 from its weights for torch to ONNX, written node by node with batch norms folded in: the same bytes each time.

Reference: Tan and Le, "EfficientNet", ICML 2019; the Lite variants have no squeeze-and-excitation, ReLU6 for swish, and a fixed
stem and head.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from occasion.errors import EncoderError, MissingExtraError

__all__ = ["export_efficientnet"]

SIDE, DIM = 224, 1280
STAGES = ((1, 1, False), (2, 2, True), (2, 2, True), (3, 2, True), (3, 1, True), (4, 2, True), (1, 1, True))
"""Of each stage: blocks, step of the first block, whether its blocks widen."""
EPSILON = 1e-3
"""Of the batch norms."""
OPSET, IR = 13, 8


def export_efficientnet(weights: Path, out: Path) -> Path:
    """Write a model from pictures (n, 3, 224, 224) to vectors (n, 1280) and its ``picture.json`` into a folder; return it.

    Raises
    ------
    MissingExtraError
        Without torch (to read the weights) and onnx (to write the model).
    EncoderError
        Where the weights cannot be read, or are of another model.
    """
    try:
        import onnx
        import torch
    except ImportError:
        raise MissingExtraError("the one-time export of efficientnet-lite0", "images,tune") from None
    try:
        # Tensors alone: nothing else in the file is run or made.
        state = {name: np.asarray(value) for name, value in torch.load(weights, map_location="cpu", weights_only=True).items()}
        model = _model(onnx, state)
    except Exception as error:
        raise EncoderError(f"the weights {weights} cannot be used: {error!r}. Cure: install the package anew.") from error
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".export-") as name:
        made = Path(name) / "made"
        made.mkdir()
        (made / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
        about = {"side": SIDE, "mean": [127.0], "std": [128.0], "dim": DIM}
        (made / "picture.json").write_text(json.dumps(about), "utf-8")
        if out.exists():
            shutil.rmtree(out)
        made.rename(out)
    return out


class _Graph:
    """Nodes and weights of a graph under construction."""

    def __init__(self, onnx: Any, state: Mapping[str, Any]) -> None:
        self.onnx, self.state = onnx, state
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def add(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        name = f"x{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(kind, inputs, [name], **attributes))
        return name

    def constant(self, name: str, value: Any) -> str:
        """Add a constant and return its name."""
        self.weights.append(self.onnx.numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def convolved(self, x: str, convolution: str, norm: str, *, step: int = 1, cut: bool = True) -> str:
        """Add a convolution with its batch norm folded in, and ReLU6 where it is `cut`."""
        kernel = self.state[f"{convolution}.weight"]  # (out, in / groups, k, k)
        gain, bias, mean, variance = (self.state[f"{norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var"))
        factor = gain / np.sqrt(variance + EPSILON)
        kernel_name = self.constant(f"{convolution}.kernel", kernel * factor[:, None, None, None])
        bias_name = self.constant(f"{convolution}.bias", bias - mean * factor)
        depthwise = kernel.shape[1] == 1 and kernel.shape[2] > 1
        groups = {"group": kernel.shape[0]} if depthwise else {}
        x = self.add("Conv", [x, kernel_name, bias_name], auto_pad="SAME_UPPER", strides=[step, step], **groups)
        return self.add("Clip", [x, "least", "most"]) if cut else x


def _blocks() -> Iterator[tuple[str, int, bool, bool]]:
    """Yield of each block: its name, its step, whether it widens, whether what goes in is added to what comes out."""
    number = 0
    for count, step, widens in STAGES:
        for n in range(count):
            yield f"_blocks.{number}", step if n == 0 else 1, widens, n > 0
            number += 1


def _model(onnx: Any, state: Mapping[str, Any]) -> Any:
    graph = _Graph(onnx, state)
    graph.constant("least", 0.0)
    graph.constant("most", 6.0)
    x = graph.convolved("picture", "_conv_stem", "_bn0", step=2)
    for name, step, widens, added in _blocks():
        y = graph.convolved(x, f"{name}._expand_conv", f"{name}._bn0") if widens else x
        y = graph.convolved(y, f"{name}._depthwise_conv", f"{name}._bn1", step=step)
        y = graph.convolved(y, f"{name}._project_conv", f"{name}._bn2", cut=False)
        x = graph.add("Add", [x, y]) if added else y
    x = graph.convolved(x, "_conv_head", "_bn1")
    x = graph.add("GlobalAveragePool", [x])
    x = graph.add("Flatten", [x])
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    taken = [helper.make_tensor_value_info("picture", kind, ["n", 3, SIDE, SIDE])]
    given = [helper.make_tensor_value_info(x, kind, ["n", DIM])]
    made = helper.make_graph(graph.nodes, "efficientnet-lite0", taken, given, graph.weights)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR, producer_name="occasion")
    onnx.checker.check_model(model)
    return model
