"""Output: a tuned model on disk, put in its place in one step, with a manifest of what made it."""

from __future__ import annotations

import json
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from occasion.encoders.words import WORDS
from occasion.errors import EncoderError
from occasion.tuning.checkpoints import saving

__all__ = ["MANIFEST", "install", "libraries", "read_manifest", "write_model"]

MANIFEST = "manifest.json"
LIBRARIES = ("occasion", "torch", "transformers", "sentence-transformers", "peft", "onnx", "onnxruntime", "tokenizers", "numpy")


def libraries() -> dict[str, str]:
    """Return the versions of the libraries that matter, "" where one is not installed."""
    out = {}
    for name in LIBRARIES:
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            out[name] = ""
    return out


def write_model(model: Any, folder: Path) -> bool:
    """Write a model as ``torch/`` and, where the family has one, as int8 ONNX beside it; return whether there is ONNX.

    Raises
    ------
    ModelError
        Where the folder cannot be written.
    """
    from occasion.encoders.export import export_onnx
    from occasion.tuning.words import without_words

    with saving(folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        tokens = int(model.max_seq_length)
        with without_words(model) as table:
            model.save(str(folder / "torch"), create_model_card=False)
        if table is not None:
            table.write(folder / "torch" / WORDS)
        _say_tokens(folder / "torch", tokens)
        if not _loads_alike(model[0].auto_model):
            return False
        try:
            export_onnx(folder / "torch", folder / "onnx")
        except EncoderError:
            # No fast tokenizer, or modules that plain pooling does not cover: served by torch.
            return False
        for path in (folder / "onnx").iterdir():
            path.rename(folder / path.name)
        (folder / "onnx").rmdir()
        return True


def _loads_alike(network: Any) -> bool:
    """Tell whether transformers loads this kind of model as the export does; not so for encoders of the T5 family."""
    from transformers.models.auto.modeling_auto import MODEL_MAPPING

    kind: object = MODEL_MAPPING.get(type(network.config), None)
    return kind is type(network)


def _say_tokens(folder: Path, tokens: int) -> None:
    """Write down how many tokens are read where encoders look for it: vectors of other lengths were not what was tuned."""
    path = folder / "sentence_bert_config.json"
    content = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    path.write_text(json.dumps(content | {"max_seq_length": tokens}, indent=1), "utf-8")


def install(made: Path, place: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest and put the folder in its place; what was there before is kept as ``<name>.before`` until the end."""
    with saving(place):
        (made / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False, default=str), "utf-8")
        old = place.with_name(f"{place.name}.before")
        shutil.rmtree(old, ignore_errors=True)
        if place.exists():
            place.rename(old)
        made.rename(place)
        shutil.rmtree(old, ignore_errors=True)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return a folder's manifest, empty where there is none to be read."""
    try:
        found = json.loads((folder / MANIFEST).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
