"""Export: a sentence-transformers or transformers model of the BERT family to a folder that ONNX Runtime serves without torch."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any

from occasion.encoders.plan import read_json
from occasion.encoders.words import WORDS
from occasion.errors import EncoderError, MissingExtraError

__all__ = ["export_onnx"]

BLOCK = 64
"""Weights, and values of an activation, that share a step of their whole numbers. One step for a whole run, as is usual, takes
three fifths of the time, but a few large values blur all the others, those of other texts in the run too."""
KNOWN_MODULES = ("Transformer", "Pooling", "Normalize")
BESIDE = ("modules.json", "sentence_bert_config.json", "config_sentence_transformers.json", "config.json", WORDS)


def export_onnx(model: str | Path, out: Path, *, int8: bool = True) -> Path:
    """Write a model as ``model.onnx`` with its tokenizer and its sentence-transformers settings; return the folder.

    Parameters
    ----------
    model : str or Path
        Folder of the model, or an id of a model hub.
    out : Path
        Folder to write; what was there before is replaced once the export is whole.
    int8 : bool
        Quantise weights to 8 bits, a step for each `BLOCK` of them, and activations likewise at run time: a quarter of the size
        and about three quarters of the time. Default: True.

    Raises
    ------
    MissingExtraError
        Without torch, transformers, onnx and onnx-ir.
    EncoderError
        For a model that cannot be loaded, is no encoder, or has modules that plain pooling does not cover.
    """
    try:
        import onnx  # noqa: F401 - the exporters below need them
        import onnx_ir  # noqa: F401
        import torch
        import transformers
    except ImportError:
        raise MissingExtraError("export to ONNX", "tune") from None
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    _check_modules(Path(model))
    try:
        network = transformers.AutoModel.from_pretrained(str(model), attn_implementation="eager").eval()
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(model))
    except (OSError, ValueError, KeyError) as error:
        raise EncoderError(
            f"the model {model} cannot be loaded: {error}. Cure: name a folder with config, weights and tokenizer."
        ) from error
    if network.config.is_encoder_decoder or not getattr(tokenizer, "is_fast", False):
        raise EncoderError(f"{model} is no BERT-family encoder with a fast tokenizer. Cure: use it through torch:{model}")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".export-") as name:
        folder = Path(name) / "made"
        folder.mkdir()
        _trace(torch, network, folder / "full.onnx")
        _finish(folder, int8)
        tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
        _copy_settings(Path(model), folder)
        if out.exists():
            shutil.rmtree(out)
        folder.rename(out)
    return out


def _check_modules(folder: Path) -> None:
    for module in read_json(folder / "modules.json", []):
        kind = str(module.get("type", "")).rsplit(".", 1)[-1]
        if kind not in KNOWN_MODULES:
            raise EncoderError(f"{folder} has a module {kind}, which the export leaves out. Cure: use it through torch:{folder}")


def _trace(torch: Any, network: Any, path: Path) -> None:
    class States(torch.nn.Module):  # type: ignore[misc]
        """Token ids to token states, as one output."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any = None) -> Any:
            named = {"input_ids": input_ids, "attention_mask": attention_mask}
            if token_type_ids is not None:
                named["token_type_ids"] = token_type_ids
            return self.network(**named).last_hidden_state

    names = ["input_ids", "attention_mask"]
    if getattr(network.config, "type_vocab_size", 0) > 1:
        names.append("token_type_ids")
    ones = torch.ones(2, 7, dtype=torch.long)
    sample = (ones, ones, torch.zeros_like(ones))[: len(names)]
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            States(),
            sample,
            str(path),
            input_names=names,
            output_names=["states"],
            dynamic_axes={name: {0: "batch", 1: "length"} for name in [*names, "states"]},
            opset_version=17,
            dynamo=False,
        )


def _finish(folder: Path, int8: bool) -> None:
    full, model = folder / "full.onnx", folder / "model.onnx"
    if not int8:
        full.rename(model)
        return
    import logging

    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    # It advises a preparation, for every model, that this quantisation does not need.
    logging.disable(logging.WARNING)
    try:
        quantize_dynamic(full, model, per_channel=True, weight_type=QuantType.QInt8, op_types_to_quantize=["Gather"])
        products = MatMulNBitsQuantizer(onnx.load(model), bits=8, block_size=BLOCK, is_symmetric=True, accuracy_level=4)
        products.process()
        products.model.save_model_to_file(str(model), False)
    finally:
        logging.disable(logging.NOTSET)
    full.unlink()


def _copy_settings(source: Path, folder: Path) -> None:
    for name in BESIDE:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
    for module in read_json(source / "modules.json", []):
        path = str(module.get("path", ""))
        if path and (source / path / "config.json").is_file():
            (folder / path).mkdir(exist_ok=True)
            shutil.copyfile(source / path / "config.json", folder / path / "config.json")
