"""A catalogue's pictures: encoded once, true to the store and the files, never fatal."""

import os
import shutil

import numpy as np
import pytest
from picture_world import COLOURS, as_bytes, drawn

from occasion.data import Item
from occasion.pictures.collection import CHUNK, Pictures, picture_trouble
from occasion.settings import load_settings
from occasion.stores import open_store

NEWEST = 10**9


@pytest.fixture
def home(tmp_path, model):
    """A home with a store and twelve pictures, three of each colour."""
    settings = load_settings(home=tmp_path / "home", image_encoder=f"onnx:{model}")
    settings.media_folder.mkdir(parents=True)
    store = open_store(settings.resolved_store_url)
    store.put_items([item(name, n) for name in COLOURS for n in range(3)])
    for name, colour in COLOURS.items():
        for n in range(3):
            (settings.media_folder / f"{name}{n}.png").write_bytes(as_bytes(drawn(colour, n)))
    yield settings, store
    store.close()


def item(name, n, path=None):
    return Item(id=f"{name}{n}", media={"image": path or f"{name}{n}.png"})


def opened(home, **options):
    settings, store = home
    pictures = Pictures(store, settings, **options)
    pictures.follow(NEWEST)
    return pictures


def key(home, item_id):
    return home[1].item_key(item_id)


def nearest(home, pictures, item_id, k=3):
    """Return the ids nearest to an item, itself first."""
    own = pictures.vectors(np.array([key(home, item_id)], np.int32))[0]
    ids = {stored.key: stored.id for stored in home[1].items()}
    return [ids[found] for found in pictures.search(own, k).keys.tolist()]


@pytest.mark.parametrize("exact_limit", [5000, 0])
def test_like_colours_are_neighbours(home, exact_limit):
    home = (home[0].model_copy(update={"exact_limit": exact_limit}), home[1])
    pictures = opened(home)
    assert len(pictures) == 12
    for colour in COLOURS:
        assert {i[:-1] for i in nearest(home, pictures, f"{colour}1")} == {colour}


@pytest.mark.parametrize("exact_limit", [5000, 0])
def test_who_scores_them_anyway_gets_the_same_keys(home, exact_limit):
    home = (home[0].model_copy(update={"exact_limit": exact_limit}), home[1])
    pictures = opened(home)
    own = pictures.vectors(np.array([key(home, "red1")], np.int32))[0]
    allowed = np.arange(20) % 2 == key(home, "red1") % 2
    found = pictures.near(own, 3, allowed)
    assert sorted(found.tolist()) == sorted(pictures.search(own, 3, allowed).keys.tolist())
    assert len(found) == 3


def test_a_file_is_encoded_once_whatever_it_is_called(home):
    settings, store = home
    shutil.copy(settings.media_folder / "red0.png", settings.media_folder / "copy.png")
    store.put_items([item("copy", 0, "copy.png")])
    pictures = opened(home)
    assert len(pictures) == 13
    assert len(pictures._cache) == 12
    again = opened(home)
    assert len(again._cache) == 12
    own = np.array([key(home, "red0"), key(home, "copy0")], np.int32)
    np.testing.assert_array_equal(*pictures.vectors(own))


def test_known_files_are_not_read_again(home):
    opened(home)
    path = home[0].media_folder / "red0.png"
    before = path.stat()
    path.write_bytes(as_bytes(drawn(COLOURS["blue"], 0))[: before.st_size].ljust(before.st_size, b"\0"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    # Same size and time: the file counts as the one that was read.
    assert nearest(home, opened(home), "red0")[1].startswith("red")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000))
    assert nearest(home, opened(home), "red0")[1].startswith("blue")


def test_what_cannot_be_read_is_told_and_stops_nothing(home):
    settings, store = home
    (settings.media_folder / "broken.png").write_bytes(b"no picture")
    (settings.media_folder.parent / "secret.png").write_bytes(as_bytes(drawn((1, 2, 3))))
    paths = {"broken": "broken.png", "missing": "none.png", "outside": "../secret.png", "address": "https://example.org/a.png"}
    assert picture_trouble(settings)("broken.png") is None  # nobody looked yet
    store.put_items([item(name, 0, path) for name, path in paths.items()])
    pictures = opened(home)
    assert len(pictures) == 12
    assert {pictures.troubles[key(home, f"{name}0")].kind for name in paths} == set(paths)
    assert all(pictures.troubles[key(home, f"{name}0")].kind == name for name in paths)
    assert pictures.told()["trouble"] == dict.fromkeys(paths, 1)
    trouble = picture_trouble(settings)
    assert {name: trouble(path)[0] for name, path in paths.items()} == {name: name for name in paths}
    assert trouble("red0.png") is None
    # Known to be broken, by its file and by its content.
    again = opened(home)
    assert again.troubles[key(home, "broken0")].why == pictures.troubles[key(home, "broken0")].why
    assert not np.any(again.vectors(np.array([key(home, "broken0")], np.int32)))


def test_what_comes_changes_and_goes(home):
    store = home[1]
    pictures = opened(home)
    store.put_items([item("red", 0, "blue0.png"), Item(id="red1"), item("new", 0, "green0.png")])
    store.delete_items(["red2"])
    found = pictures.follow(NEWEST)
    assert set(found.tolist()) == {key(home, "red0"), key(home, "new0")}
    assert nearest(home, pictures, "red0")[1].startswith("blue")
    assert {i[:-1] for i in nearest(home, pictures, "new0", 4)} == {"new", "green"}
    assert len(pictures) == 11
    assert pictures.follow(NEWEST).tolist() == []


def test_only_items_up_to_a_revision_are_taken(home):
    store = home[1]
    pictures = opened(home)
    seen = pictures.revision
    store.put_items([item("new", 0, "green0.png")])
    assert len(pictures.follow(seen)) == 0
    assert len(pictures.follow(seen + 1)) == 1


def test_a_file_that_comes_later_is_found_when_all_are_looked_at_again(home):
    settings, store = home
    store.put_items([item("late", 0, "late.png")])
    pictures = opened(home)
    assert key(home, "late0") in pictures.troubles
    (settings.media_folder / "late.png").write_bytes(as_bytes(drawn(COLOURS["red"], 9)))
    assert len(pictures.follow(NEWEST)) == 0
    pictures.look_again()
    assert key(home, "late0") in pictures.follow(NEWEST).tolist()
    assert key(home, "late0") not in pictures.troubles
    assert nearest(home, pictures, "late0")[1].startswith("red")


def test_an_interruption_loses_one_portion(home):
    settings, store = home
    for n in range(3 * CHUNK):
        (settings.media_folder / f"n{n}.png").write_bytes(as_bytes(drawn((n, 255 - n, 90), n)))
    store.put_items([item("n", n) for n in range(3 * CHUNK)])

    def stop(done, total):
        assert total == 12 + 3 * CHUNK
        if done >= 2 * CHUNK:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        opened(home, progress=stop)
    told = []
    pictures = Pictures(store, settings, progress=lambda done, total: told.append(done))
    assert len(pictures._cache) == 2 * CHUNK
    pictures.follow(NEWEST)
    assert len(pictures) == len(pictures._cache) == told[-1] == 12 + 3 * CHUNK


def test_a_service_takes_new_pictures_in_portions(home):
    settings, store = home
    pictures = opened(home, hurried=True)
    assert not pictures.waiting
    for n in range(400):
        (settings.media_folder / f"n{n}.png").write_bytes(as_bytes(drawn((n % 256, 90, n // 2), n, size=(200, 200))))
    store.put_items([item("n", n) for n in range(400)])
    pictures.follow(NEWEST)
    assert pictures.waiting
    assert 12 < len(pictures) < 412
    for _ in range(400):
        if not pictures.waiting:
            break
        pictures.follow(NEWEST)
    assert len(pictures) == 412


def test_a_large_index_is_kept_and_taken_over(home):
    settings, store = home
    home = (settings.model_copy(update={"exact_limit": 4}), store)
    before = opened(home)
    shutil.rmtree(settings.media_folder)
    # Nothing is looked at again: the vectors are where they were.
    after = opened(home)
    assert len(after) == 12
    keys = np.arange(12, dtype=np.int32)
    np.testing.assert_array_equal(after.vectors(keys), before.vectors(keys))
    store.put_items([Item(id="red0")])
    assert after.follow(NEWEST).tolist() == []
    assert len(after) == 11
    after.look_again()
    after.follow(NEWEST)
    assert len(after) == 0
    assert after.told()["trouble"] == {"missing": 11}


def test_a_kept_index_of_another_store_is_not_taken(home, tmp_path):
    settings, store = home
    settings = settings.model_copy(update={"exact_limit": 4})
    opened((settings, store))
    other = open_store(f"sqlite:///{tmp_path / 'other.db'}")
    other.put_items([item("blue", 0)])
    assert len(opened((settings, other))) == 1
    other.close()


@pytest.mark.parametrize("name", ["files.db", "space.npz"])
def test_damaged_files_are_begun_anew(home, name):
    before = opened(home)
    path = home[0].home / "derived" / "pictures" / name
    assert path.is_file()
    path.write_bytes(b"damage" * 100)
    after = opened(home)
    keys = np.arange(12, dtype=np.int32)
    np.testing.assert_allclose(after.vectors(keys), before.vectors(keys), atol=1e-6)


def test_no_items_no_folder_no_trouble(tmp_path, model):
    settings = load_settings(home=tmp_path / "home", image_encoder=f"onnx:{model}")
    store = open_store(settings.resolved_store_url)
    pictures = opened((settings, store))
    assert len(pictures) == 0
    assert len(pictures.search(np.ones(pictures.dim, np.float32), 3).keys) == 0
    assert not np.any(pictures.vectors(np.arange(3, dtype=np.int32)))
    assert not np.any(pictures.score(np.ones(pictures.dim, np.float32), np.arange(3, dtype=np.int32)))
    store.close()
