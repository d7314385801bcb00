"""Columns: every mask is what a plain reading of each item gives, whatever changed before; bounded, and fast."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occasion.data import Item
from occasion.errors import RuleError
from occasion.rules import Columns, Filter, parse_filter
from occasion.rules import labels as labels_module
from occasion.rules.labels import Labels
from occasion.rules.numbers import Numbers
from occasion.rules.texts import Texts

WORDS = ["Acme", "acme", "Leaf & Co", "10", "10.0", "true", "手机", "", "a\0b", "ÄRGER", "x" * 300]
attribute = st.one_of(
    st.sampled_from(WORDS), st.integers(-3, 12), st.floats(-3, 12), st.booleans(), st.lists(st.sampled_from(WORDS), max_size=3).map(tuple),
    st.sampled_from([2**60, 2**60 + 1, 1e300]),
)  # fmt: skip
items = st.builds(
    Item,
    id=st.sampled_from(["a/1", "b", "B", "ü"]),
    text=st.dictionaries(st.sampled_from(["title", "description"]), st.sampled_from(WORDS), max_size=2),
    attributes=st.dictionaries(st.sampled_from(["brand", "size", "price"]), attribute, max_size=3),
    categories=st.lists(st.sampled_from(WORDS), max_size=2).map(tuple),
    price=st.none() | st.floats(0, 12) | st.just(10.0),
)
fields = st.sampled_from(["id", "title", "description", "brand", "size", "price", "categories"])
operand = st.sampled_from([*WORDS, 10, 10.0, 0.5, True, False, 2**60, 1e300])
number = st.sampled_from([-1.0, 0.0, 5.0, 10.0, 1e300])
tests = st.one_of(
    st.builds(lambda f, o, v: {"field": f, o: v}, fields, st.sampled_from(["eq", "ne"]), operand),
    st.builds(lambda f, v: {"field": f, "in": v}, fields, st.lists(operand, min_size=1, max_size=3)),
    st.builds(lambda f, o, v: {"field": f, o: v}, fields, st.sampled_from(["lt", "lte", "gt", "gte"]), number),
    st.builds(lambda f, a, b: {"field": f, "between": sorted([a, b])}, fields, number, number),
    st.builds(lambda f, v: {"field": f, "contains": v}, fields, st.sampled_from(["a", "ac", "1", "手", "Ä", "e", "xx"])),
    st.builds(lambda f, v: {"field": f, "exists": v}, fields, st.booleans()),
)
filters = st.recursive(
    tests,
    lambda inner: st.one_of(
        st.builds(lambda p: {"and": p}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda p: {"or": p}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda p: {"not": p}, inner),
    ),
    max_leaves=5,
)


def number_of(value):
    try:
        return None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None


def text_of(value):
    return str(value).casefold().replace("\0", " ") if not isinstance(value, bool) else ("true" if value else "false")


def values_of(item, name):
    """The plain reading: the values of an item's field, as text without case or numbers."""
    texts = {"id": item.id, "title": item.title, **item.text}
    if item.attributes.get(name, ()) != ():
        value = item.attributes[name]
        return list(value) if isinstance(value, tuple) else [value]
    if name in texts:
        return [beginning(texts[name]).replace("\0", " ")]
    if name == "categories":
        return list(item.categories)
    return [item.price] if name == "price" and item.price is not None else []


def beginning(value):
    return value[:200] if isinstance(value, str) else value


def equal(value, wanted):
    if isinstance(value, (str, bool)) and isinstance(wanted, (str, bool)):
        return text_of(value) == text_of(wanted)
    one, other = number_of(value), number_of(wanted)
    return one is not None and one == other


def passes(item, node):
    if "and" in node:
        return all(passes(item, p) for p in node["and"])
    if "or" in node:
        return any(passes(item, p) for p in node["or"])
    if "not" in node:
        return not passes(item, node["not"])
    (op, wanted), mine = next((o, v) for o, v in node.items() if o != "field"), values_of(item, node["field"])
    if node["field"] in ("id", "title", "description"):
        # A whole long text finds what it was taken from: of both the beginning is compared.
        wanted = [beginning(v) for v in wanted] if op == "in" else beginning(wanted)
    if op == "exists":
        return bool(mine) == wanted
    if op == "ne":
        return not any(equal(v, wanted) for v in mine)
    if op == "eq":
        return any(equal(v, wanted) for v in mine)
    if op == "in":
        return any(equal(v, w) for v in mine for w in wanted)
    if op == "contains":
        return any(wanted.casefold() in text_of(v) for v in mine if isinstance(v, str))
    compare = {
        "lt": lambda v: v < wanted, "lte": lambda v: v <= wanted, "gt": lambda v: v > wanted, "gte": lambda v: v >= wanted,
        "between": lambda v: wanted[0] <= v <= wanted[1],
    }[op]  # fmt: skip
    return any((n := number_of(v)) is not None and compare(n) for v in mine)


def comparable(node, stored):
    """Leave out what is not defined alike: text searched within numbers, and fields of texts that an attribute names as well."""
    if "field" not in node:
        parts = node.get("and") or node.get("or") or [node["not"]]
        return all(comparable(p, stored) for p in parts)
    return "contains" not in node or all(isinstance(v, str) for i in stored.values() for v in values_of(i, node["field"]))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), items | st.none()), min_size=1, max_size=14), filters)
def test_a_mask_is_the_plain_reading_of_each_item(changes, node):
    columns, stored = Columns(), {}
    for key, item in changes:
        if item is None:
            columns.remove(key)
            stored.pop(key, None)
        else:
            columns.set(key, item)
            stored[key] = item
    if not comparable(node, stored):
        return
    wanted = parse_filter(node)
    if not wanted.fields() <= set(columns.names):
        with pytest.raises(RuleError, match="no item has a field"):
            columns.mask(wanted, 8)
        return
    mask = columns.mask(wanted, 8)
    assert {key: bool(mask[key]) for key in stored} == {key: passes(item, node) for key, item in stored.items()}
    assert columns.mask(wanted, 8) is mask


def test_a_long_text_is_found_by_the_whole_of_it():
    columns, text = Columns(), "a long title " * 30
    columns.set(0, Item(id="a", text={"title": text}))
    for node in ({"field": "title", "eq": text}, {"field": "title", "in": [text, "other"]}, {"field": "title", "eq": text[:200]}):
        assert columns.mask(parse_filter(node), 1).tolist() == [True]


def test_one_of_words_and_numbers_is_found_in_a_field_of_texts():
    columns = Columns()
    for key, title in enumerate(("Acme", "10.0", "10 pieces", "other")):
        columns.set(key, Item(id=f"i{key}", text={"title": title}))
    for wanted, found in ((["ACME", 10], [0, 1]), ([10, "10 pieces"], [1, 2]), (["acme"], [0]), ([10], [1]), ([True, 11], [])):
        assert np.flatnonzero(columns.mask(parse_filter({"field": "title", "in": wanted}), 4)).tolist() == found


def told(columns, n=8):
    """Return all that columns tell of n keys."""
    known = np.ones(n, bool)
    values = {name: [columns._fields[name].get(key) for key in range(n)] for name in columns.names}
    kinds = {name: [[(type(v), v) for v in value or ()] for value in column] for name, column in values.items()}
    facets = {name: columns.facet(name, known, 40) for name in columns.names}
    times = [columns.availability(at, n).tolist() for at in (-1e9, 0.0, 1e9)]
    return kinds, facets, times


changes = st.lists(st.tuples(st.integers(0, 5), items | st.none()), max_size=8)


def apply(columns, changes):
    for key, item in changes:
        if item is None:
            columns.remove(key)
        else:
            columns.set(key, item)


@settings(max_examples=150, deadline=None)
@given(changes, changes, st.lists(filters, max_size=4))
def test_columns_that_were_kept_tell_the_same_and_go_on_the_same(before, after, nodes):
    columns = Columns()
    apply(columns, before)
    again = Columns.restore({name: array.copy() for name, array in columns.arrays().items()})
    for step in ((), after):
        apply(columns, step)
        apply(again, step)
        assert told(again) == told(columns)
        for node in nodes:
            if (wanted := parse_filter(node)).fields() <= set(columns.names):
                assert again.mask(wanted, 8).tolist() == columns.mask(wanted, 8).tolist()


def test_what_is_gone_is_not_kept():
    columns = Columns()
    for key in range(3):
        columns.set(key, Item(id=f"secret {key}", text={"title": f"a private title {key}"}, attributes={"brand": f"Brand {key}"}))
    columns.remove(1)
    columns.set(2, Item(id="2", text={"title": "another"}, attributes={"brand": True}))
    content = b"".join(array.tobytes() for array in columns.arrays().values())
    for gone in (b"secret 1", b"secret 2", b"title 1", b"title 2", b"Brand 1", b"Brand 2"):
        assert gone not in content
    assert b"title 0" in content
    assert b"Brand 0" in content


def test_a_price_alone_leaves_texts_as_they_are():
    columns = Columns()
    for price in (1.0, 2.0):
        for key in range(100):
            columns.set(key, Item(id=str(key), text={"title": f"title {key}"}, price=price))
    assert len(columns._fields["title"]._row) == sum(len(f"\0title {key}") for key in range(100))


@given(
    st.lists(st.tuples(st.integers(0, 6), st.none() | st.sampled_from([*WORDS, "b", "cmeB"])), max_size=40),
    st.sampled_from(WORDS),
    st.integers(0, 40),
)
def test_texts_that_change_are_found_as_they_are_now(changes, needle, kept):
    texts, now = Texts(), {}
    for n, (key, value) in enumerate(changes):
        if n == kept:
            texts = Texts.restore(texts.arrays())
        if value is None:
            texts.forget(key)
            now.pop(key, None)
        else:
            texts.put(key, (value,))
            now[key] = value[:200].casefold().replace("\0", " ")
    plain = needle[:200].casefold().replace("\0", " ")
    assert np.flatnonzero(texts.mask("contains", needle, 7)).tolist() == sorted(k for k, v in now.items() if plain in v)
    assert np.flatnonzero(texts.mask("eq", needle, 7)).tolist() == sorted(k for k, v in now.items() if plain == v)
    assert {k: texts.get(k) for k in range(9)} == {k: (now[k],) if k in now else None for k in range(9)}


def test_texts_stay_small_however_often_they_change():
    texts = Texts()
    for n in range(20_000):
        texts.put(n % 10, (f"{n} " * 10,))
    assert len(texts._row) < 200_000
    assert texts.get(9) == (("19999 " * 10),)


def test_numbers_and_true_are_two_filters():
    columns = Columns()
    columns.set(0, Item(id="a", attributes={"x": True}))
    columns.set(1, Item(id="b", attributes={"x": 1}))
    assert columns.mask(parse_filter({"field": "x", "eq": True}), 2).tolist() == [True, False]
    assert columns.mask(parse_filter({"field": "x", "eq": 1}), 2).tolist() == [False, True]


def test_large_whole_numbers_are_told_apart():
    columns = Columns()
    for key in range(3):
        columns.set(key, Item(id=str(key), attributes={"ean": str(2**60 + key)}))
    assert columns.mask(parse_filter({"field": "ean", "eq": str(2**60 + 1)}), 3).tolist() == [False, True, False]


@pytest.mark.parametrize("kind", [Texts, Labels, Numbers])
def test_fields_keep_forget_and_tell(kind):
    field = kind()
    assert field.get(3) is None
    field.forget(3)
    assert field.put(3, ("12",))
    assert str(field.get(3)[0]) == "12"
    assert field.mask("exists", True, 5).tolist() == [False, False, False, True, False]
    assert field.mask("exists", True, 2).tolist() == [False, False]
    field.forget(3)
    assert field.get(3) is None
    assert not field.mask("exists", True, 5).any()


def test_labels_that_are_all_different_become_texts(monkeypatch):
    monkeypatch.setattr(labels_module, "MANY", 100)
    columns = Columns()
    for key in range(300):
        columns.set(key, Item(id=str(key), attributes={"sku": f"S{key}", "brand": f"B{key % 7}"}))
    assert isinstance(columns._fields["sku"], Texts)
    assert isinstance(columns._fields["brand"], Labels)
    assert np.flatnonzero(columns.mask(parse_filter("sku in (s5, S250)"), 300)).tolist() == [5, 250]


def test_the_first_value_is_told_without_case():
    columns = Columns()
    columns.set(0, Item(id="A", attributes={"brand": "Acme", "tags": ("B", "c"), "size": 3.0, "flag": True}, categories=()))
    assert [columns.first(0, name) for name in ("id", "brand", "tags", "size", "flag")] == ["a", "acme", "b", "3", "true"]
    columns.set(1, Item(id="B", price=2.5))
    assert columns.first(1, "brand") is None
    assert columns.first(99, "brand") is None
    with pytest.raises(RuleError, match=r"'bran'.*Near: brand"):
        columns.first(0, "bran")


def test_masks_are_read_only_and_bounded():
    columns = Columns()
    columns.set(0, Item(id="a", price=1.0))
    mask = columns.mask(parse_filter("price < 2"), 1)
    with pytest.raises(ValueError, match="read-only"):
        mask[0] = False
    for n in range(500):
        columns.mask(parse_filter(f"price < {n}"), 1)
    assert len(columns._masks) <= 64


def test_an_empty_catalogue_says_so():
    with pytest.raises(RuleError, match="empty"):
        Columns().mask(Filter("eq", "brand", "x"), 0)
    assert Columns().availability(0.0, 3).tolist() == [True] * 3


@pytest.mark.slow
def test_filters_over_fifty_thousand_items_cost_no_more_than_a_loop_over_them():
    n, columns, stored = 50_000, Columns(), []
    for key in range(n):
        stored.append(
            Item(
                id=f"i{key}",
                text={"title": f"thing {key} of {key % 97}"},
                attributes={"brand": f"b{key % 5000}"},
                price=key % 977 / 7,
            ),
        )
        columns.set(key, stored[-1])

    def looped() -> float:
        start = time.process_time()
        assert sum(str(item.attributes["brand"]).casefold() == "b17" for item in stored) == 10
        return time.process_time() - start

    loop = min(looped() for _ in range(5))
    for text, most in (("brand = b17", 1), ("price < 20", 1), ("price between 5 and 10 and not brand in (b1, b2)", 2),
                        ("title contains 96", 10)):  # fmt: skip
        took = []
        for _ in range(3):
            columns._masks.clear()
            start = time.process_time()
            columns.mask(parse_filter(text), n)
            took.append(time.process_time() - start)
        assert min(took) < most * loop, text
