"""Models as folders: one npy file an array, the rest in a JSON manifest, LightGBM trees as text. Never pickle.

Large arrays are mapped into memory and not read, so that all processes that serve a model share them.

An object is written as its class name and public fields, down to arrays, sparse matrices, lists, mappings and plain values; only
classes registered here are read back, so that a folder cannot make anything else run.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from occasion.errors import ModelError

__all__ = ["load", "save"]

CLASSES = {
    "Bases": "features", "Borrowed": "borrowed", "Ease": "itemitem", "FactorRater": "factors", "Items": "items",
    "KernelRater": "kernel", "Lift": "contextual", "Model": "model", "Neighbours": "itemitem", "Popularity": "popularity",
    "Ranker": "ranker", "RatedModel": "rated", "Rows": "kernel", "SequenceModel": "sequence", "Signals": "signals",
    "TextVectors": "text", "Transitions": "itemitem",
}  # fmt: skip
"""Names of the classes that may be in a folder, and their modules."""
FORMAT = 4
MAPPED = 1 << 16
"""Bytes of a file above which it is mapped."""


def save(model: Any, folder: Path) -> None:
    """Write `model` into `folder`, which is made; what stood there is replaced.

    Examples
    --------
    >>> import tempfile
    >>> from occasion.learning.popularity import Popularity
    >>> folder = Path(tempfile.mkdtemp())
    >>> save(Popularity(np.zeros((2, 1), np.float32), ["share"]), folder)
    >>> load(folder).names
    ['share']
    """
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("a*.npy"):
        stale.unlink()
    arrays: dict[str, Any] = {}
    manifest = {"format": FORMAT, "model": _pack(model, arrays)}
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    (folder / "model.json").write_text(json.dumps(manifest, ensure_ascii=False))


def load(folder: Path) -> Any:
    """Read what :func:`save` wrote; :class:`ModelError` where files are missing or damaged."""
    try:
        manifest = json.loads((folder / "model.json").read_text())
        arrays = {path.stem: _read(path) for path in folder.glob("a*.npy")}
        if manifest["format"] != FORMAT:
            raise ModelError(f"the model in {folder} has format {manifest['format']}, this version reads {FORMAT}. Cure: fit again")
        return _unpack(manifest["model"], arrays)
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"the model in {folder} cannot be read ({type(error).__name__}: {error}). Cure: fit again") from error


def _read(path: Path) -> Any:
    """Map an array, or read it where it is small: each mapping costs a file handle."""
    mode: Any = "r" if path.stat().st_size > MAPPED else None
    # As a plain array: each look into a mapped one makes a mapped one, which takes ten times as long.
    return np.asarray(np.load(path, mmap_mode=mode, allow_pickle=False))


def _pack(value: Any, arrays: dict[str, Any]) -> Any:
    """Return a JSON value; arrays go to `arrays` and leave their name."""
    from scipy import sparse

    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return {"array": _put(value, arrays)}
    if sparse.issparse(value):
        rows = value.tocsr()
        return {"sparse": [_put(a, arrays) for a in (rows.data, rows.indices, rows.indptr)], "shape": list(rows.shape)}
    if isinstance(value, list | tuple):
        if len(value) > 1000 and all(isinstance(v, str) for v in value):
            return {"texts": _put(np.array(value, dtype=np.str_), arrays)}
        return {"list": [_pack(v, arrays) for v in value]}
    if isinstance(value, dict):
        return {"mapping": [[k, _pack(v, arrays)] for k, v in value.items()]}
    name = type(value).__name__
    if name == "Booster":
        return {"booster": value.model_to_string()}
    if name not in CLASSES:
        raise ModelError(f"a {name} cannot be written into a model folder")
    return {"class": name, "fields": [[k, _pack(v, arrays)] for k, v in vars(value).items() if not k.startswith("_")]}


def _put(array: Any, arrays: dict[str, Any]) -> str:
    name = f"a{len(arrays)}"
    arrays[name] = array
    return name


def _unpack(value: Any, arrays: dict[str, Any]) -> Any:
    from scipy import sparse

    if not isinstance(value, dict):
        return value
    if "array" in value:
        return arrays[value["array"]]
    if "sparse" in value:
        return sparse.csr_matrix(tuple(arrays[n] for n in value["sparse"]), shape=tuple(value["shape"]))
    if "texts" in value:
        return [str(t) for t in arrays[value["texts"]]]
    if "list" in value:
        return [_unpack(v, arrays) for v in value["list"]]
    if "mapping" in value:
        return {k: _unpack(v, arrays) for k, v in value["mapping"]}
    if "booster" in value:
        import lightgbm

        return lightgbm.Booster(model_str=value["booster"])
    module = CLASSES[value["class"]]
    kind = getattr(importlib.import_module(f"occasion.learning.{module}"), value["class"])
    out = object.__new__(kind)
    for name, field in value["fields"]:
        object.__setattr__(out, name, _unpack(field, arrays))
    return out
