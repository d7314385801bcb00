"""Keys beyond a restore: no revoked key comes back to life, and a home that was closed does not open."""

import json
import sqlite3
import time
from contextlib import closing

import pytest
from test_backup import fill

from occasion.backup import back_up, restore
from occasion.privacy.guarded import RESTORING
from occasion.service.control import ControlFile
from occasion.service.keys import KeyRing
from occasion.settings import load_settings


@pytest.fixture
def home(tmp_path):
    settings = load_settings(home=tmp_path / "home")
    fill(settings, events=5)
    return settings


def ring(settings):
    return closing(ControlFile(settings.home))


def test_keys_end_as_they_had_ended(home, tmp_path):
    with ring(home) as control:
        keys = KeyRing(control)
        (gone, gone_token), (old, old_token), (stays, token) = (keys.create("read", name=n) for n in ("gone", "old", "stays"))
        back_up(home, tmp_path / "b.tar")
        keys.revoke(gone.id)
        keys.rotate(old.id, grace=3600)
        _, late_token = keys.create("admin")
    done = restore(home, tmp_path / "b.tar", force=True)
    assert (done.keys_revoked, done.keys_back) == (1, 0)
    with ring(home) as control:
        keys = KeyRing(control)
        assert keys.find(gone_token) is None
        assert keys.find(token) == stays
        assert time.time() + 3500 < keys.find(old_token).expires < time.time() + 3700
        assert keys.find(late_token) is None, "the backup does not know it"
        keys.revoke(stays.id)
    done = restore(home, tmp_path / "b.tar", force=True)
    assert done.keys_revoked == 2, "what was revoked before an earlier restore is still known"
    elsewhere = load_settings(home=tmp_path / "elsewhere")
    assert restore(elsewhere, tmp_path / "b.tar").keys_back == 3, "nothing was known there"


def test_a_home_that_was_closed_does_not_open(home, tmp_path):
    with ring(home) as control:
        assert not KeyRing(control).exist()
        back_up(home, tmp_path / "b.tar")
        KeyRing(control).create("admin")
    restore(home, tmp_path / "b.tar", force=True)
    with ring(home) as control:
        assert KeyRing(control).all() == []
        assert KeyRing(control).exist()


def test_an_interrupted_restore_forgets_no_revocation(home, tmp_path):
    with ring(home) as control:
        key, token = KeyRing(control).create("read")
    back_up(home, tmp_path / "b.tar")
    # As one that was killed once it had put the control file of the backup into place left it.
    told = {"known": [], "revoked": [key.id], "expires": {}, "closed": True}
    (home.home / RESTORING).write_text(json.dumps({"handed in": [], "receipts": [], "choices": [], "keys": [told]}))
    done = restore(home, tmp_path / "b.tar", force=True)
    assert (done.keys_revoked, done.keys_back) == (1, 0)
    with ring(home) as control:
        assert KeyRing(control).find(token) is None


@pytest.mark.parametrize("damage", ["old", "garbage"])
def test_a_control_file_that_says_less_is_no_obstacle(home, tmp_path, damage):
    with ring(home) as control:
        _, token = KeyRing(control).create("read")
        back_up(home, tmp_path / "b.tar")
    path = home.home / "service.db"
    if damage == "old":
        with closing(sqlite3.connect(path)) as file:
            file.executescript("DROP TRIGGER access_key_revoked; DROP TABLE revoked_key;")
    else:
        path.write_bytes(b"no database at all" * 1000)
    done = restore(home, tmp_path / "b.tar", force=True)
    assert (done.keys_revoked, done.keys_back) == (0, int(damage == "garbage"))
    with ring(home) as control:
        assert KeyRing(control).find(token) is not None
