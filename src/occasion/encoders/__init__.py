"""Encoders: texts to unit vectors, one a file. To add one: write the file, add its line here.

A spec names an encoder: ``name`` or ``name:argument``. Each class has ``from_spec(argument, settings)``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from occasion.errors import EncoderError
from occasion.settings import Settings, load_settings

if TYPE_CHECKING:
    from occasion.protocols import Encoder

__all__ = ["ENCODERS", "SHARED", "load_encoder"]

ENCODERS = {
    "usem3": ("occasion.encoders.universal:UniversalEncoder", "usem3"),
    "minilm": ("occasion.encoders.onnx:MiniLMEncoder", "minilm"),
    "onnx": ("occasion.encoders.onnx:OnnxEncoder", "onnx:<folder>"),
    "torch": ("occasion.encoders.pytorch:TorchEncoder", "torch:<folder or hub id>"),
    "static": ("occasion.encoders.static:StaticEncoder", "static:<folder>"),
    "openai": ("occasion.encoders.remote:RemoteEncoder", "openai:<model>"),
}
"""Name to (where it lives, how its spec is written)."""
SHARED = ("usem3",)
"""Those that have a method ``share``: a process may load one and be forked. Others have threads or connections of their own."""


def load_encoder(spec: str = "usem3", *, settings: Settings | None = None, threads: int | None = None) -> Encoder:
    """Return the encoder that a spec names.

    Parameters
    ----------
    spec : str
        ``usem3``, or another of `ENCODERS`; what stands behind the first colon is the encoder's own: a folder, a model id.
    settings : Settings, optional
        Default: `load_settings()`.
    threads : int, optional
        Threads of the encoder, 1 to 64. Default: the settings' ``encoder_threads``.

    Raises
    ------
    EncoderError
        For a spec that names no encoder, or a model that is missing or damaged.
    MissingExtraError
        Where the encoder needs packages that are not installed.
    """
    name, _, argument = spec.partition(":")
    name = name.strip()
    if name not in ENCODERS:
        raise EncoderError(f"there is no encoder {spec!r}. Cure: one of {', '.join(how for _, how in ENCODERS.values())}.")
    settings = settings or load_settings()
    if threads is not None:
        settings = settings.model_copy(update={"encoder_threads": threads})
    module, cls = ENCODERS[name][0].split(":")
    made: Encoder = getattr(import_module(module), cls).from_spec(argument, settings)
    return made
