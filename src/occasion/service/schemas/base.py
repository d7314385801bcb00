"""What all bodies share."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from occasion.data import MAX_ID_LENGTH, MAX_TEXT_LENGTH
from occasion.service.schemas.examples import example

__all__ = ["Attributes", "Body", "Error", "ErrorBody", "Id", "Scalar", "Shown", "Signals", "Text", "Time"]

Id = Annotated[str, Field(min_length=1, max_length=MAX_ID_LENGTH)]
"""Any characters, at least one of them visible."""
Text = Annotated[str, Field(max_length=MAX_TEXT_LENGTH)]
Scalar = bool | int | float | str
Signals = Annotated[dict[str, Scalar], Field(max_length=256)]
Attributes = Annotated[dict[str, Scalar | list[str]], Field(max_length=256)]


def _unix(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("is neither unix seconds nor ISO 8601, for example 2026-11-27T19:30:00+01:00") from None
    if found.tzinfo is None:
        raise ValueError("names no zone, for example +01:00 or Z")
    return found.timestamp()


Time = Annotated[
    float,
    BeforeValidator(_unix, json_schema_input_type=float | str),
    Field(description="Unix seconds, or ISO 8601 with a zone."),
]


def _with_example(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Give a model's schema its example."""
    found = example(model.__name__)
    if found is not None:
        schema["examples"] = [found]


class Body(BaseModel):
    """What a caller sends: unknown fields are refused, so that a misspelt one is noticed.

    Frozen, so that one which is a default of another is shared by all requests: to copy it each time took a fifth of reading one.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True, json_schema_extra=_with_example)


class Shown(BaseModel):
    """What the service answers."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_with_example)


class ErrorBody(Shown):
    """What went wrong and what cures it."""

    code: str = Field(description="A short name that programs may rely on.", examples=["invalid"])
    message: str = Field(examples=["k is 0."])
    cure: str = Field(examples=["a whole number from 1 to 1000."])
    request_id: str = Field(examples=["5f0c..."])


class Error(Shown):
    """Every error has this shape."""

    error: ErrorBody
