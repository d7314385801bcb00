"""PyTorch: any local folder or hub id that sentence-transformers or transformers can load, pooled as its family needs.

Needs the extra tune. For serving, export BERT-family models to ONNX: half the time, and no torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from occasion.encoders.plan import Plan, fingerprint, parse_argument, pool, read_plan
from occasion.encoders.texts import clean, encode_filled, unit
from occasion.encoders.words import WORDS, WordTable
from occasion.errors import EncoderError, MissingExtraError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.protocols import Progress
    from occasion.settings import Settings

    Floats = NDArray[np.float32]

__all__ = ["TorchEncoder"]

BATCH = 32
OTHER_FORMATS = ["*.onnx", "*.h5", "*.msgpack", "*.ot", "*.gguf", "openvino/*", "onnx/*"]
"""Not fetched from a hub."""
WEIGHTS = ("*.safetensors", "*.bin", "*/*.safetensors", "*/*.bin")


class TorchEncoder:
    """A model run by torch.

    A folder with ``modules.json`` is run by sentence-transformers, with all its modules; where ``words.npz`` lies beside it,
    vectors of single words are added (`occasion.encoders.words`). Any other model is run by transformers and pooled by family:
    encoders (BERT) by the mean of their token states; encoder-decoders (T5) by the mean of their encoder's; decoders (GPT) by
    the state of the last token that is no padding, as only that one has seen them all.
    Texts are always padded on the right, where a decoder's causal attention and positions are not disturbed by it, whatever
    the tokenizer says; those of a batch are about equally long.

    Parameters
    ----------
    model : str
        Folder or hub id.
    threads : int
        Threads of torch in this process, 1 to 64.
    options : mapping, optional
        ``pooling``, ``query``, ``item``, ``max_tokens``: see `occasion.encoders.plan.Plan`. With sentence-transformers the
        pooling is the folder's.

    Raises
    ------
    MissingExtraError
        Without torch and transformers.
    EncoderError
        Where the model cannot be loaded.
    """

    def __init__(self, model: str, *, threads: int = 1, options: Mapping[str, str] | None = None) -> None:
        try:
            import torch
            import transformers
        except ImportError:
            raise MissingExtraError(f"the encoder torch:{model}", "tune") from None
        torch.set_num_threads(threads)
        transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        folder = _folder(model)
        kind = _SentenceTransformer if (folder / "modules.json").is_file() else _Transformer
        self._run = kind(folder, options or {})
        self.plan = self._run.plan
        self.version = f"torch-{_identity(folder, model)}-{self.plan.stamp()}"
        self.dim = int(self._run(["dimension"], "").shape[1])

    @classmethod
    def from_spec(cls, argument: str, settings: Settings) -> TorchEncoder:
        """Return the encoder for the spec ``torch:<folder or hub id>``, ``torch:gpt2?pooling=mean``."""
        if not argument:
            raise EncoderError("torch names no model. Cure: write torch:<folder or hub id>.")
        name, options = parse_argument(argument)
        return cls(name, threads=settings.encoder_threads, options=options)

    def encode(
        self, texts: Sequence[str], *, role: Literal["query", "item"] = "item", progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Return unit vectors (n, dim); zeros for texts that say nothing. Texts are cut at the plan's `max_tokens`.

        Raises
        ------
        EncoderError
            For what is no text.
        """
        prefix = self.plan.prefix(role)
        return encode_filled(
            clean(texts, self.plan.limit),
            self.dim,
            lambda some: self._run(some, prefix),
            batch=BATCH,
            progress=progress,
            length=len,
        )


class _Transformer:
    """A plain transformers model and its tokenizer."""

    def __init__(self, folder: Path, options: Mapping[str, str]) -> None:
        import torch
        import transformers

        with _loading(folder):
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder))
            network = transformers.AutoModel.from_pretrained(str(folder), dtype=torch.float32).eval()
        config = network.config
        self._network = network.get_encoder() if config.is_encoder_decoder else network
        fallback = Plan(pooling="last" if _is_causal(config) else "mean")
        self.plan = read_plan(folder, fallback, options)

    def __call__(self, texts: list[str], prefix: str) -> Floats:
        """Return unit vectors (n, dim)."""
        import torch

        tokens = self._tokenizer([prefix + text for text in texts], truncation=True, max_length=self.plan.max_tokens)["input_ids"]
        # A tokenizer without special tokens makes nothing of some texts; a model needs one token at least.
        tokens = [ids or [self._padding] for ids in tokens]
        shape = (len(texts), max(len(ids) for ids in tokens))
        ids, mask = np.full(shape, self._padding, np.int64), np.zeros(shape, np.int64)
        for row, some in enumerate(tokens):
            ids[row, : len(some)], mask[row, : len(some)] = some, 1
        with torch.inference_mode():
            states = self._network(input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)).last_hidden_state
        return pool(states.numpy(), mask, self.plan.pooling)

    @property
    def _padding(self) -> int:
        return self._tokenizer.pad_token_id or 0


class _SentenceTransformer:
    """A sentence-transformers model with all its modules."""

    def __init__(self, folder: Path, options: Mapping[str, str]) -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError:
            raise MissingExtraError(f"the encoder torch:{folder}", "tune") from None
        if "pooling" in options:
            raise EncoderError(f"{folder} says itself how it is pooled. Cure: leave the option pooling out.")
        self.plan = read_plan(folder, Plan(), options)
        with _loading(folder):
            self._model = SentenceTransformer(str(folder), device="cpu")
        self._model.max_seq_length = min(self.plan.max_tokens, self._model.max_seq_length or self.plan.max_tokens)
        self._model.tokenizer.padding_side = "right"
        words = folder / WORDS
        self._words = WordTable.read(words) if words.is_file() else None

    def __call__(self, texts: list[str], prefix: str) -> Floats:
        """Return unit vectors (n, dim)."""
        vectors = unit(self._model.encode(texts, prompt=prefix or None, batch_size=BATCH, show_progress_bar=False))
        if self._words is None:
            return vectors
        read = self._model.tokenizer([prefix + t for t in texts], truncation=True, max_length=self._model.max_seq_length)
        return self._words.added(vectors, [np.array(ids, np.int64) for ids in read["input_ids"]])


def _is_causal(config: Any) -> bool:
    """Tell whether a model reads from left to right alone."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, MODEL_FOR_MASKED_LM_MAPPING_NAMES

    if config.is_encoder_decoder:
        return False
    kind = config.model_type
    return kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and kind not in MODEL_FOR_MASKED_LM_MAPPING_NAMES


def _folder(model: str) -> Path:
    """Return the folder of a model; that of a hub id is fetched into the hub's cache."""
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", model):
        raise EncoderError(f"there is no folder {model!r}, and it is no hub id. Cure: name a folder, or write author/model.")
    from huggingface_hub import snapshot_download

    with _loading(folder):
        return Path(snapshot_download(model, ignore_patterns=OTHER_FORMATS))


@contextmanager
def _loading(model: Path) -> Iterator[None]:
    """Turn whatever a missing or damaged model brings about into one clear error."""
    try:
        yield
    except Exception as error:
        reason = str(error).split("\n")[0]
        raise EncoderError(
            f"the model {str(model)!r} cannot be loaded: {reason} Cure: name a folder with config, weights and tokenizer, or a hub "
            "id, with the network reachable at the first use."
        ) from error


def _identity(folder: Path, model: str) -> str:
    """Return a name that differs where the weights or settings do."""
    files = [
        path for pattern in (*WEIGHTS, WORDS, "*config.json", "*/config.json", "tokenizer.json") for path in folder.glob(pattern)
    ]
    name = model if not Path(model).expanduser().is_dir() else folder.resolve().name
    return f"{name}-{fingerprint(files)}"
