"""Rules: what may be recommended, and where it stands: filters, caps, pins, boosts, exclusions."""

from occasion.rules.columns import Columns
from occasion.rules.filters import Filter, parse_filter
from occasion.rules.slate_rules import Boost, Cap, Outstanding, Quota, Rules, arrange, parse_rules

__all__ = ["Boost", "Cap", "Columns", "Filter", "Outstanding", "Quota", "Rules", "arrange", "parse_filter", "parse_rules"]
