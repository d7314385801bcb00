"""Filters against a plain reading of each item, the two forms against each other, and slate rules as properties."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occasion.data import Item
from occasion.errors import RuleError
from occasion.rules import Boost, Cap, Columns, Filter, Quota, Rules, arrange, parse_filter, parse_rules

ITEMS = [
    Item(
        id="a/1",
        text={"title": "Red Phone"},
        attributes={"brand": "Acme", "tags": ("new", "sale")},
        price=10.0,
        categories=("tech",),
    ),
    Item(id="b", text={"title": "Green tea"}, attributes={"brand": "Leaf", "organic": True, "year": 2020}, price=5.0),
    Item(id="c", text={"title": "手机 case"}, attributes={"brand": "acme", "year": "2021"}, available_until=100.0),
    Item(id="d"),
]


def columns():
    out = Columns()
    for key, item in enumerate(ITEMS):
        out.set(key, item)
    return out


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('brand = "Acme"', "ac"),
        ("brand in (Leaf, Other)", "b"),
        ("price < 10", "b"),
        ("price >= 10", "a"),
        ("price between 5 and 10", "ab"),
        ('title contains "phone"', "a"),
        ("title contains 手机", "c"),
        ("tags has sale", "a"),
        ("categories has tech", "a"),
        ("organic = true", "b"),
        ("year > 2020", "c"),
        ("year = 2021", "c"),
        ("brand exists", "abc"),
        ("not brand exists", "d"),
        ("brand != acme", "bd"),
        ("brand = acme and (price = 10 or title contains case) and not tags has old", "ac"),
        ('id = "a/1"', "a"),
        ("brand = x or brand = leaf", "b"),
    ],
)
def test_the_text_form_means_what_it_says(text, expected):
    mask = columns().mask(parse_filter(text), 4)
    assert "".join("abcd"[n] for n in np.flatnonzero(mask)) == expected


def test_both_forms_make_the_same_filter():
    mapping = {
        "and": [{"field": "brand", "in": ["A", "B"]}, {"not": {"field": "price", "gt": 20}}, {"field": "title", "contains": "x"}]
    }
    assert parse_filter(mapping) == parse_filter('brand in (A, B) and not price > 20 and title contains "x"')


@pytest.mark.parametrize(
    "bad",
    [
        "brand", "brand =", "= 5", "brand in Acme", "brand in (a", "price < cheap", "a = 1 b = 2", "(a = 1", "and", "", "a ~ 1", 'a = "x',
        "not " * 50 + "a = 1", "(" * 50 + "a = 1", "a = 1 " + "or a = 1 " * 300, {}, {"and": []}, {"field": "a"}, {"field": "a", "like": 1},
        {"field": "price", "lt": "x"}, {"field": "a", "in": "abc"}, {"field": "a", "between": [1]}, {"and": [1]}, {"field": "a", "eq": None},
        {"or": [{"field": "a", "eq": 1}], "x": 1}, {"field": "a", "in": []}, {"field": "a", "between": [9, 1]}, {"field": "a", "contains": ""},
        {"field": "a", "exists": "yes"}, {"field": "a", "eq": float("nan")}, {"field": "a", "lt": 10**400}, {"field": "a", 5: 1}, [], None, 5,
        {"field": "a", "in": [1] * 20_000}, {"and": [{"field": "a", "eq": 1}] * 300}, "a between 9 and 1", "a contains \"\"",
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_in_words(bad):
    with pytest.raises(RuleError):
        parse_filter(bad)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text):
    try:
        parse_filter(text)
    except RuleError as error:
        assert str(error)


def test_an_unknown_field_names_its_neighbours():
    with pytest.raises(RuleError, match="brand"):
        columns().mask(parse_filter("brnad = Acme"), 4)


def test_changed_and_removed_items_change_the_mask():
    c = columns()
    wanted = parse_filter("brand = acme")
    assert c.mask(wanted, 4).tolist() == [True, False, True, False]
    c.remove(0)
    c.set(3, Item(id="d", attributes={"brand": "ACME"}))
    assert c.mask(wanted, 6).tolist() == [False, False, True, True, False, False]


def test_availability_is_from_inclusive_until_exclusive():
    c = columns()
    c.set(0, Item(id="a/1", available_from=50.0))
    assert c.availability(50.0, 5).tolist() == [True] * 5
    assert c.availability(49.0, 4).tolist() == [False, True, True, True]
    assert c.availability(100.0, 4).tolist() == [True, True, False, True]


ids = st.lists(st.sampled_from("abcdefghij"), unique=True, max_size=10)


@settings(max_examples=100)
@given(ids, st.integers(1, 8), st.integers(1, 4), st.sets(st.sampled_from("abcdefghij")), st.integers(1, 5))
def test_quotas_are_met_as_far_as_they_can_be(found, k, least, wanted, most):
    rules = Rules(quotas=(Quota(parse_filter("x = 1"), least),), caps=(Cap("parity", most),))

    def parity(item, field):
        return str(ord(item) % 2)

    def arranged(rules):
        return [found[n] for n in arrange(found, k, rules, parity, lambda item, _: item in wanted)]

    order, without = arranged(rules), arranged(replace(rules, quotas=()))
    best = arranged(Rules(caps=rules.caps, pins={})) if not wanted else None
    assert len(order) == len(without), "a quota takes no place away"
    assert order == [item for item in found if item in order], "the best stand first"
    if most == 5:  # no cap stands in the way
        assert sum(i in wanted for i in order) >= min(least, sum(i in wanted for i in found), k)
    if sum(i in wanted for i in without) >= least:
        assert order == without, "a quota that is met changes nothing"
    assert best is None or order == best


@settings(max_examples=100)
@given(ids, st.integers(1, 8), st.dictionaries(st.sampled_from("abcdefghijk"), st.integers(1, 9), max_size=3), st.integers(1, 3))
def test_arranged_lists_obey_every_rule(found, k, pins, most):
    pins = {item: place for item, place in pins.items() if list(pins.values()).count(place) == 1}
    rules = Rules(pins=pins, caps=(Cap("parity", most),))

    def parity(item, field):
        return str(ord(item) % 2)

    order = [found[n] for n in arrange(found, k, rules, parity)]
    assert len(order) <= k
    assert len(set(order)) == len(order)
    pinned = [item for item in found if item in pins and pins[item] <= k]
    assert set(pinned) <= set(order)
    free = [item for item in order if item not in pinned]
    assert free == [item for item in found if item in free], "the order of the others stays"
    for value in "01":
        mine = [i for i in order if parity(i, "") == value]
        assert len(mine) <= max(most, sum(parity(i, "") == value for i in pinned))
    for item in pinned:
        assert order.index(item) == pins[item] - 1 or order.index(item) >= len(order) - len(pinned)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Rules(exclude_seen="maybe"),
        lambda: Rules(pins={"a": 0}),
        lambda: Rules(pins={"a": 1, "b": 1}),
        lambda: Rules(caps=(Cap("x", 0),)),
        lambda: Rules(boosts=(Boost(parse_filter("a = 1"), -1),)),
        lambda: Rules(filter="broken ="),
    ],
)
def test_bad_rules_are_refused(make):
    with pytest.raises(RuleError):
        make()


@pytest.mark.parametrize(
    ("bad", "place"),
    [
        ("brand = Acme Co", r"'Co' at place 13"),
        ("price < 5 and", r"ends where a field name"),
        ("brand ~ x", r"'~' at place 6"),
        ({"and": [{"field": "a", "eq": 1}, {"not": {"field": "b", "lt": "x"}}]}, r"and\[1\], not, field 'b'"),
        ({"or": [{"and": [5]}]}, r"or\[0\], and\[0\]"),
    ],
)
def test_errors_point_at_the_place(bad, place):
    with pytest.raises(RuleError, match=place):
        parse_filter(bad)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'a = "say \"hi\" \\ there"', 'say "hi" \\ there'), ("a = 'x'", "x"), ("a = 5", 5), ("a = -5.5e1", -55.0), ("a = '5'", "5"),
        ("a = true", True), ('a = "true"', "true"), ("a = 2020-01-01", "2020-01-01"), ("a = nan", "nan"), ("a = 1_000", "1_000"),
        ("a contains 1.50", "1.50"), ("a IS Acme", "Acme"), ('"and" = x', "x"),
    ],
)  # fmt: skip
def test_values_of_the_text_form(text, value):
    made = parse_filter(text)
    assert (made.value, type(made.value)) == (value, type(value))


def test_filters_of_equal_looking_values_are_not_equal():
    assert parse_filter({"field": "a", "eq": 1}) != parse_filter({"field": "a", "eq": True})
    assert parse_filter("a = 1 and b = 2") == parse_filter("(a = 1) and b = 2")
    for op in ("nonsense", "and", "not"):
        with pytest.raises(RuleError):
            Filter(op, "a", 1)


def test_rules_from_json():
    made = parse_rules(
        {
            "filter": {"field": "price", "lt": 5},
            "exclude_seen": False,
            "exclude": ["x/1"],
            "pins": {"y": 1},
            "boosts": [{"filter": "brand = Acme", "factor": 2}],
            "caps": {"brand": 2},
            "strict": False,
        }
    )
    assert made == Rules(
        filter=parse_filter("price < 5"),
        exclude_seen=False,
        exclude=("x/1",),
        pins={"y": 1},
        boosts=(Boost(parse_filter("brand = Acme"), 2),),
        caps=(Cap("brand", 2),),
        strict=False,
    )
    assert parse_rules({}) == parse_rules({"filter": None}) == Rules()


@pytest.mark.parametrize(
    "bad",
    [
        [], None, {"fliter": "a = 1"}, {"exclude": "x"}, {"exclude": [1]}, {"exclude": 5}, {"pins": ["a"]}, {"pins": {"a": "1"}}, {"boosts": {}},
        {"boosts": ["a = 1"]}, {"boosts": [{"filter": "a = 1"}]}, {"boosts": [{"filter": "a = 1", "factor": "x"}]}, {"caps": [1]},
        {"caps": {"": 1}}, {"caps": {"a": True}}, {"strict": "no"}, {"exclude_seen": 1}, {"exclude_seen": []}, {"pins": {str(n): n + 1 for n in range(2000)}},
        {"boosts": [{"filter": "a = 1", "factor": 1}] * 200}, {"exclude": ["x"] * 200_000}, {"filter": 5},
    ],
)  # fmt: skip
def test_rules_that_cannot_be_kept_are_refused_in_words(bad):
    with pytest.raises(RuleError) as caught:
        parse_rules(bad)
    assert len(str(caught.value)) < 600
