"""People stored under pseudonyms are found by their whole id alone."""

from __future__ import annotations

from occasion.data import Event
from occasion.privacy.guarded import open_guarded
from occasion.settings import Settings


def test_no_part_of_a_pseudonymous_id_is_found(tmp_path):
    store = open_guarded(Settings(home=tmp_path, pseudonymous=True))
    store.append([Event(item="a", user="hannah", id="1")])
    assert store.find_users("hannah") == ["hannah"]
    assert store.find_users("hann") == []
    assert store.find_users("") == []
    store.close()
