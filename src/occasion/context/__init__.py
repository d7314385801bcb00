"""Context: raw signals to typed signals and one natural sentence. Providers are listed in `extractor.PROVIDERS`."""

from __future__ import annotations

from occasion.context.calendar import has_calendar
from occasion.context.extractor import PROVIDERS, UNTIMED, ContextExtractor, ExtractedContext

__all__ = ["PROVIDERS", "UNTIMED", "ContextExtractor", "ExtractedContext", "has_calendar"]
