"""Pages, one file each. To add one: write the file with a ``PAGE``, add its line here; the order is that of the list of pages.

A page is a `occasion.console.page.Page`: a path, an icon, a table of words and ``build(view)``. Pages never import each other; what
they share stands in `occasion.console.parts`.
"""

from __future__ import annotations

__all__ = ["PAGES"]

PAGES = (
    "occasion.console.pages.moment",
    "occasion.console.pages.people",
    "occasion.console.pages.catalogue",
    "occasion.console.pages.quality",
    "occasion.console.pages.live",
    "occasion.console.pages.rules",
    "occasion.console.pages.audit",
    "occasion.console.pages.setup",
)
"""Modules that have a ``PAGE``."""
