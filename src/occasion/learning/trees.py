"""Several boosted models as one: their trees side by side, each model's leaves divided by its own deviation.

One model is asked once, where five are asked five times; at one request the asking costs more than the trees.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = ["merged"]

_VALUES = ("leaf_value", "internal_value")


def merged(boosters: list[Any], spread: list[float]) -> Any:
    """Return one LightGBM model whose raw score is the sum of the models' raw scores, each divided by its `spread`.

    Parameters
    ----------
    boosters : list of lightgbm.Booster, (m,)
        Of the same features; trees after the best round are left out.
    spread : list of float, (m,)
        Greater than 0.
    """
    import lightgbm

    texts = [b.model_to_string() for b in boosters]
    head, _, rest = texts[0].partition("Tree=0\n")
    tail = rest[rest.index("end of trees") :]
    trees = [_scaled(tree, 1 / s) for text, s in zip(texts, spread, strict=True) for tree in _trees(text)]
    blocks = [f"Tree={k}\n{tree}" for k, tree in enumerate(trees)]
    sizes = " ".join(str(len(block.encode())) for block in blocks)
    # Raw scores do not depend on the objective; one that needs no further settings is read everywhere.
    head = re.sub(r"^objective=.*$", "objective=regression", head, flags=re.MULTILINE)
    head = re.sub(r"^tree_sizes=.*$", f"tree_sizes={sizes}", head, flags=re.MULTILINE)
    return lightgbm.Booster(model_str=head + "".join(blocks) + tail)


def _trees(text: str) -> list[str]:
    """Return the text of each tree without its first line."""
    body = text[: text.index("end of trees")]
    return re.split(r"^Tree=\d+\n", body, flags=re.MULTILINE)[1:]


def _scaled(tree: str, factor: float) -> str:
    lines = []
    for line in tree.split("\n"):
        name, _, values = line.partition("=")
        if name in _VALUES and values:
            line = f"{name}=" + " ".join(repr(float(v) * factor) for v in values.split(" "))
        lines.append(line)
    return "\n".join(lines)
