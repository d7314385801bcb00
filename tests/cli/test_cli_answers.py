"""recommend and similar, run as a person runs them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_shop import GOODS, T0, Done, inside, occasion

AT = str(T0 + 86_400)


def answer(done: Done) -> dict[str, Any]:
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def ids(document: dict[str, Any]) -> list[str]:
    return [row["item"] for row in document["items"]]


def test_words_find_what_they_mean(ready: Path) -> None:
    found = answer(
        occasion("recommend", "--text", "I have a cough and a sore throat", "--json", "--no-keep", "--k", "2", home=ready)
    )
    assert set(ids(found)) == {"syrup", "tea"}


def test_json_is_one_document_whose_parts_add_up(ready: Path) -> None:
    done = inside("recommend", "--user", "bob", "--text", "friends come over", "--at", AT, "--json", "--no-keep", home=ready)
    found = answer(done)
    assert done.err == ""
    for row in found["items"]:
        assert sum(row["parts"].values()) == pytest.approx(row["score"], abs=1e-6)
        assert row["reason"]
    assert found["context"]["user"] == "bob"
    assert found["context"]["at"] == float(AT)


def test_table_shows_titles_fields_parts_and_reasons(ready: Path) -> None:
    done = inside("recommend", "--text", "pancakes", "-k", "3", "--explain", "--item-fields", "price,categories", home=ready)
    assert done.code == 0
    assert "Pancake mix for breakfast" in done.out
    assert "3.5" in done.out
    assert "moment" in done.out
    assert "because" in done.out
    assert "understood as: pancakes" in done.err
    assert "slate " in done.err


def test_quiet_says_nothing_but_the_answer(ready: Path) -> None:
    assert occasion("recommend", "--no-keep", "-q", home=ready).err == ""


def test_answers_are_stored_unless_not_kept(shop: Path) -> None:
    def stored() -> int:
        return int(answer(inside("info", "--json", home=shop))["counts"]["slates"])

    before = stored()
    inside("recommend", "--no-keep", home=shop)
    assert stored() == before
    inside("recommend", home=shop)
    assert stored() == before + 1


def test_filter_cap_pin_and_exclude_hold(ready: Path) -> None:
    options = (
        "--filter",
        "price < 10 and not categories = pharmacy",
        "--exclude",
        "tea",
        "--pin",
        "salsa=1",
        "--json",
        "--no-keep",
    )
    found = answer(inside("recommend", *options, "--cap", "categories=1", "--seen", "allow", home=ready))
    assert ids(found)[0] == "salsa"
    assert all(GOODS[i][2] < 10 and GOODS[i][1] != "pharmacy" and i != "tea" for i in ids(found))
    assert len({GOODS[i][1] for i in ids(found)}) == len(ids(found))


def test_a_filter_that_leaves_too_little_says_so(ready: Path) -> None:
    found = answer(inside("recommend", "--filter", "price > 400", "--json", "--no-keep", home=ready))
    assert ids(found) == ["phone"]
    assert found["notes"]


def test_a_quota_is_met(ready: Path) -> None:
    plain = answer(inside("recommend", "--json", "--no-keep", "-k", "2", "--filter", "categories != drinks", home=ready))
    rest = set(GOODS) - set(ids(plain)) - {"beer", "tea"}
    wanted = f"2:id in ({', '.join(chr(34) + i + chr(34) for i in rest)})"
    found = answer(inside("recommend", "--json", "--no-keep", "-k", "2", "--quota", wanted, home=ready))
    assert set(ids(found)) <= rest
    like = answer(inside("similar", "beer", "--json", "-k", "3", "--quota", "3:categories = electronics", home=ready))
    assert {GOODS[i][1] for i in ids(like)} == {"electronics"}


def test_places_that_a_filter_leaves_go_to_others_where_it_is_not_strict(ready: Path) -> None:
    options = ("recommend", "--filter", "price > 400", "--json", "--no-keep", "-k", "3")
    assert ids(answer(inside(*options, "--strict", home=ready))) == ["phone"]
    found = ids(answer(inside(*options, "--no-strict", home=ready)))
    assert found[0] == "phone"
    assert len(found) == 3


def test_boost_moves_up(ready: Path) -> None:
    plain = answer(inside("recommend", "--json", "--no-keep", "--diversity", "0", home=ready))
    lowest = ids(plain)[-1]
    raised = answer(inside("recommend", "--json", "--no-keep", "--diversity", "0", "--boost", f'50:id = "{lowest}"', home=ready))
    assert ids(raised).index(lowest) < ids(plain).index(lowest)


def test_what_if_shows_both_lists_and_what_moved(ready: Path) -> None:
    options = ("recommend", "--text", "I am ill", "--what-if", "text=travelling in the mountains", "-k", "4")
    found = answer(inside(*options, "--json", home=ready))
    before, after = ids(found["before"]), ids(found["after"])
    assert "tent" in after[:2]
    for place, item in enumerate(after):
        assert found["moved"][item] == (before.index(item) - place if item in before else None)
    shown = inside(*options, home=ready)
    assert "as asked" in shown.out
    assert "moved" in shown.out


def test_times_in_words(ready: Path) -> None:
    found = answer(
        inside("recommend", "--at", "2026-11-27T19:30", "--time-zone", "Asia/Shanghai", "--json", "--no-keep", home=ready)
    )
    assert found["context"]["at"] == 1_795_779_000.0
    assert "friday evening" in found["sentence"].lower()


def test_chinese(ready: Path) -> None:
    found = answer(
        inside("recommend", "--text", "我感冒了，一直咳嗽", "--locale", "zh", "-k", "2", "--json", "--no-keep", home=ready)
    )
    assert "syrup" in ids(found)
    assert any("一" <= c <= "鿿" for c in found["items"][0]["reason"])


def test_similar(ready: Path) -> None:
    found = answer(inside("similar", "phone", "-k", "3", "--json", home=ready))
    assert "tablet" in ids(found)
    assert "phone" not in ids(found)
    odd = answer(inside("similar", "a/b 🙂", "-k", "1", "--json", home=ready))
    assert len(ids(odd)) == 1


def test_similar_tells_of_the_item_and_of_nobodys_past(ready: Path) -> None:
    shown = inside("similar", "phone", "-k", "3", home=ready)
    assert "like: A fast phone" in shown.err
    assert "you chose" not in shown.out
    assert "Recently" not in shown.err
    chinese = answer(inside("similar", "phone", "-k", "3", "--locale", "zh", "--json", home=ready))
    assert any("一" <= c <= "鿿" for c in chinese["items"][0]["reason"])


def test_what_if_is_about_one_person(ready: Path) -> None:
    done = inside("recommend", "--user", "ann", "--what-if", "user=bob", home=ready)
    assert done.code == 2
    assert "Cure" in done.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--pin", "nothing=1"), "'nothing'"),
        (("--recent", "nothing"), "'nothing'"),
        (("--item-fields", "prise"), "'prise'"),
        (("--country", "XX"), "'XX'"),
    ],
)
def test_what_is_passed_over_is_told(ready: Path, arguments: tuple[str, ...], told: str) -> None:
    done = inside("recommend", "--no-keep", *arguments, home=ready)
    assert done.code == 0
    assert [line for line in done.err.splitlines() if line.startswith("note:") and told in line]


@pytest.mark.parametrize("k", [1, 10_000])
def test_k_at_its_limits(ready: Path, k: int) -> None:
    found = answer(inside("recommend", "-k", str(k), "--json", "--no-keep", home=ready))
    assert len(found["items"]) == min(k, len(GOODS))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("-k", "many"), "'many'"),
        (("--filter", "price <"), "price <"),
        (("--signal", "weather"), "--signal weather=rain"),
        (("--what-if", "=rain"), "--what-if"),
        (("--at", "yesterday"), "'yesterday'"),
        (("--at", "1795779000000"), "milliseconds"),
        (("--at", "nan"), "nan"),
        (("--user", " "), "user"),
        (("--text", "x" * 100_001), "100001"),
        (("--signal", "heat=NaN"), "heat"),
        (("--boost", "brand = Acme"), "FACTOR:FILTER"),
        (("--boost", "-1:brand = Acme"), "-1"),
        (("--pin", "phone=first"), "ID=PLACE"),
        (("--quota", "brand = Acme"), "LEAST:FILTER"),
        (("--quota", "many:brand = Acme"), "LEAST:FILTER"),
        (("--quota", "0:brand = Acme"), "quota is 0"),
        (("--cap", "categories=0"), "categories"),
        (("--time-zone", "Mars/Base"), "'Mars/Base': 'Mars/Base' is no IANA time zone"),
        (("--locale", "fr"), "fr"),
    ],
)
def test_wrong_values_are_one_clear_error(
    ready: Path, arguments: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    done = inside("recommend", "--no-keep", *arguments, home=ready)
    assert (done.code, done.out) == (2, "")
    assert told in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("-k", "0"), "0"),
        (("--filter", "prise < 3"), "price"),
        (("--explore", "7"), "7"),
        (("--policy", "best"), "plackett-luce"),
        (("--policy", "greedy", "--scale", "2"), "scale"),
    ],
)
def test_what_only_the_recommender_can_refuse(ready: Path, arguments: tuple[str, ...], told: str) -> None:
    done = inside("recommend", "--no-keep", *arguments, home=ready)
    assert (done.code, done.out) == (2, "")
    assert told in done.err
    assert "Traceback" not in done.err


def test_an_unknown_item_is_not_found(ready: Path) -> None:
    done = occasion("similar", "nothing", home=ready)
    assert (done.code, done.out) == (3, "")
    assert "'nothing'" in done.err


def test_an_empty_home_answers_with_a_note(tmp_path: Path) -> None:
    done = occasion("recommend", "--user", "7", "--json", home=tmp_path / "empty")
    found = answer(done)
    assert found["items"] == []
    assert "import" in " ".join(found["notes"])


def test_odd_words_get_answers(ready: Path) -> None:
    for text in ("🎉🎉🎉", "\u0000 \ufeff", "x" * 100_000, "'; DROP TABLE item; --", "\ud800"):
        found = answer(inside("recommend", "--text", text, "--json", "--no-keep", "-k", "2", home=ready))
        assert len(found["items"]) == 2


def test_unknown_people_get_answers(ready: Path) -> None:
    found = answer(inside("recommend", "--user", "nobody/knows 🙂", "--json", "--no-keep", "-k", "3", home=ready))
    assert len(found["items"]) == 3
