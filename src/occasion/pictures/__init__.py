"""Pictures of items: image encoders, one a file, and what is known of a catalogue's pictures.

To add an encoder: write the file, add its line here. A spec names one: ``name`` or ``name:argument``. Each class has
``from_spec(argument, settings)``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from occasion.errors import EncoderError

if TYPE_CHECKING:
    from occasion.protocols import ImageEncoder
    from occasion.settings import Settings

__all__ = ["IMAGE_ENCODERS", "load_image_encoder"]

IMAGE_ENCODERS = {
    "efficientnet-lite0": ("occasion.pictures.onnx:EfficientNetLite0", "efficientnet-lite0 or efficientnet-lite0:<folder>"),
    "onnx": ("occasion.pictures.onnx:OnnxImageEncoder", "onnx:<folder>"),
}
"""Name to (where it lives, how its spec is written)."""


def load_image_encoder(settings: Settings) -> ImageEncoder:
    """Return the encoder that the setting ``image_encoder`` names.

    Raises
    ------
    EncoderError
        For a spec that names no encoder, or a model that is missing or damaged.
    MissingExtraError
        Where the encoder needs packages that are not installed.
    """
    name, _, argument = settings.image_encoder.partition(":")
    name = name.strip()
    if name not in IMAGE_ENCODERS:
        specs = ", ".join(how for _, how in IMAGE_ENCODERS.values())
        raise EncoderError(f"there is no image encoder {settings.image_encoder!r}. Cure: one of {specs}; empty for none.")
    module, cls = IMAGE_ENCODERS[name][0].split(":")
    made: ImageEncoder = getattr(import_module(module), cls).from_spec(argument, settings)
    return made
