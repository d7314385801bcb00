"""Restoring a backup: everything is checked before anything is changed, the old state is kept beside, erasures are done again.

Order: unpack and check; note down what must survive (receipts, choices); stores in one transaction each; the other files; then
whoever was erased since the backup is erased again. Stopped in between, the home refuses to open until the restore was run again.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from occasion.backup.archive import CONTROL, KEY, STORE, Contents, copied_out, read_contents, state_of
from occasion.backup.keys import end_again, ended_keys
from occasion.backup.making import LEARNT, cleared, database_of, homes
from occasion.errors import DataError, OccasionError, StoreError
from occasion.people import AuditEntry, Consent
from occasion.privacy.erasure import erase
from occasion.privacy.guarded import RESTORING, guarded
from occasion.privacy.keyring import HomeKey
from occasion.privacy.receipts import parsed, public_key_of, subject_of, verify
from occasion.privacy.traces import KEPT_ASIDE
from occasion.protocols import Progress, Store
from occasion.settings import Settings
from occasion.snapshot import FOLDERS as SNAPSHOTS
from occasion.statistics import Statistics
from occasion.stores import open_store
from occasion.stores.sqlite_upkeep import check_integrity, copy_file, copy_in, in_use

__all__ = ["Restored", "restore"]

STAGING = ".restoring"
_TELLING = (
    "encoder",
    "pseudonymous",
    "redact_text",
    "default_consent",
    "retention_days",
    "slate_days",
    "rejects_days",
    "time_zone",
)
"""Settings whose change a restore tells of."""
_HOME = re.compile(r"home(/tenants/[a-z0-9][a-z0-9-]{0,62})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a restore did.

    Attributes
    ----------
    contents : Contents
        Of the backup.
    aside : tuple of str
        What was there before, under new names in the home. It holds people's data: delete it when it is not needed.
    erased_again : int
        People of the backup who had been erased since.
    choices : int
        Choices made since the backup that hold on.
    keys_revoked : int
        Keys of the backup that had been revoked since, and stay so.
    keys_back : int
        Keys of the backup that are good now, and that the home did not know before.
    strange : int
        Receipts handed in that no home of the backup has signed: they were left aside.
    differences : mapping
        Settings that were others when the backup was made: name to (then, now).
    """

    contents: Contents
    aside: tuple[str, ...] = ()
    erased_again: int = 0
    choices: int = 0
    keys_revoked: int = 0
    keys_back: int = 0
    strange: int = 0
    differences: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    seconds: float = 0.0


def restore(
    settings: Settings,
    path: Path,
    *,
    force: bool = False,
    check_only: bool = False,
    receipts: Sequence[Mapping[str, Any]] = (),
    progress: Progress | None = None,
) -> Restored:
    """Put a backup into a home.

    Parameters
    ----------
    settings : Settings
        Of the home.
    path : Path
        What `back_up` wrote.
    force : bool
        Also where the home holds something. What it holds is kept beside.
    check_only : bool
        Check the backup as a whole and change nothing.
    receipts : sequence of mapping
        Receipts of erasures besides those in the home, where that is lost. Each counts in the home that signed it.
    progress : callable, optional
        Called with (bytes unpacked, bytes in all).

    Raises
    ------
    DataError
        Where the backup is damaged; where the home holds something and `force` is not set; where a receipt is none.
    StoreError
        Where another process has a store open, or it cannot be written.
    """
    begun = time.monotonic()
    for receipt in receipts:
        parsed(json.dumps(dict(receipt)))
    # Two restores may fall into one second.
    now = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    contents = read_contents(path)
    targets = {folder: _target(settings, folder) for folder in contents.stores}
    if not check_only:
        _check_targets(targets, force)
    settings.home.mkdir(parents=True, exist_ok=True)
    staging = settings.home / STAGING
    with cleared(staging):
        _unpack(contents, path, staging, progress)
        if check_only:
            return Restored(contents=contents, differences=_differences(contents, settings), seconds=time.monotonic() - begun)
        kept = {folder: _survivors(one, receipts) for folder, one in targets.items()}
        aside: list[str] = []
        for folder, one in targets.items():
            aside += [f"{folder.removeprefix('home').lstrip('/')}/{name}".lstrip("/") for name in _put(staging / folder, one, now)]
        again = choices = revoked = back = 0
        strange = {str(receipt.get("id")) for receipt in receipts}
        for folder, one in targets.items():
            people, said, taken = _resume(one, contents, folder, kept[folder])
            again, choices, strange = again + people, choices + said, strange - taken
            gone, good = end_again(one.home / CONTROL, kept[folder]["keys"])
            revoked, back = revoked + gone, back + good
            (one.home / RESTORING).unlink(missing_ok=True)
    return Restored(
        contents=contents,
        aside=tuple(aside),
        erased_again=again,
        choices=choices,
        keys_revoked=revoked,
        keys_back=back,
        strange=len(strange),
        differences=_differences(contents, settings),
        seconds=round(time.monotonic() - begun, 2),
    )


# -- before anything is changed -------------------------------------------------------------------------------------------------
def _target(settings: Settings, folder: str) -> Settings:
    known = homes(settings)
    if not _HOME.fullmatch(folder):
        raise DataError(f"the backup names a home {folder!r:.80}, which cannot be one. Cure: another backup.")
    if folder not in known:
        home = settings.home / folder.removeprefix("home/")
        return settings.model_copy(update={"home": home, "store_url": ""})
    return known[folder]


def _check_targets(targets: Mapping[str, Settings], force: bool) -> None:
    for one in targets.values():
        database = database_of(one)
        if not database.exists() or (one.home / RESTORING).exists():
            continue
        if not force:
            raise DataError(f"{database} exists. Cure: a new --home, or --force, which keeps what is there beside.")
        for path in (database, one.home / CONTROL):
            if path.exists() and in_use(path):
                raise StoreError(f"{path} is in use by another process. Cure: stop the service and other commands, then restore.")


def _unpack(contents: Contents, path: Path, staging: Path, progress: Progress | None) -> None:
    """Unpack a backup and check it: each file by its hash, each store by its structure, its counts and its events."""
    total, done = sum(member.size for member in contents.files.values()), 0
    for _, _, size in copied_out(path, staging):
        done += size
        if progress is not None:
            progress(done, total)
    for folder, wanted in contents.stores.items():
        place = staging / folder / STORE
        if not place.exists():
            raise DataError(f"{path} lacks the store of {folder}. Cure: another backup.")
        check_integrity(place)
        _compare(place.with_suffix(".look"), place, wanted)


def _compare(look: Path, place: Path, wanted: Mapping[str, Any]) -> None:
    # Opening a store may bring it to a newer schema: what is put into place stays as it was backed up.
    shutil.copyfile(place, look)
    with closing(open_store(f"sqlite:///{look}")) as store:
        _same(state_of(store), wanted, "the backup")
    for rest in look.parent.glob(f"{look.name}*"):
        rest.unlink()


def _same(found: Mapping[str, Any], wanted: Mapping[str, Any], what: str) -> None:
    for name, value in wanted.items():
        if found.get(name) != value:
            raise StoreError(f"{what} has {name} {found.get(name)}, expected {value}. Cure: another backup; check the disk.")


def _survivors(settings: Settings, receipts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what must hold on beyond a restore, and write it down: receipts of erasures, people's choices, ends of keys."""
    mark = settings.home / RESTORING
    kept: dict[str, Any] = {"handed in": [dict(receipt) for receipt in receipts], "receipts": [], "choices": [], "keys": []}
    if mark.exists():
        before = json.loads(mark.read_text("utf-8"))
        kept = {name: [*kept[name], *before.get(name, [])] for name in kept}
    if database_of(settings).exists():
        # A damaged store says nothing; then the receipts that were handed in count.
        with suppress(OccasionError), closing(open_store(settings.resolved_store_url)) as store:
            kept["receipts"] += [json.loads(text) for text in store.erasures()]
            kept["choices"] += [asdict(choice) for who in store.everybody() for choice in store.consents(*who)]
    if (settings.home / CONTROL).exists():
        kept["keys"].append(ended_keys(settings.home / CONTROL))
    settings.home.mkdir(parents=True, exist_ok=True)
    partial = mark.with_suffix(".partial")
    partial.write_text(json.dumps(kept), "utf-8")
    partial.chmod(0o600)
    partial.replace(mark)
    return kept


# -- putting it there -----------------------------------------------------------------------------------------------------------
def _put(source: Path, settings: Settings, now: str) -> list[str]:
    """Put the files of one home into place; return the names that old ones were given."""
    home, aside = settings.home, []
    for name in (STORE, CONTROL):
        if (source / name).exists():
            aside += _put_database(source / name, database_of(settings) if name == STORE else home / name, now)
    if (source / KEY).exists():
        aside += _put_key(source / KEY, home / KEY, now)
    if (home / "versions").exists():
        # Versions learnt after the backup know events that are no longer there; their numbers are given anew.
        aside.append(_aside(home / "versions", now).name)
    for name in LEARNT:
        for folder in sorted((source / name).glob("*/")):
            place = home / name / folder.name
            if place.exists():
                aside.append(f"{name}/{_aside(place, now).name}")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(folder, place)
    Statistics.discard(home / "derived")
    for name in SNAPSHOTS:
        shutil.rmtree(home / "derived" / name, ignore_errors=True)
    # Its keys may stand for other items now.
    (home / "derived" / "atlas.npz").unlink(missing_ok=True)
    return aside


def _put_database(source: Path, place: Path, now: str) -> list[str]:
    kept = []
    if place.exists():
        old = place.with_name(f"{place.name}.{KEPT_ASIDE}{now}")
        try:
            check_integrity(place)
        except StoreError:
            # Damaged: it cannot be read as a whole, so its files are kept as they are.
            for path in sorted(place.parent.glob(f"{place.name}*")):
                if path.name in (place.name, f"{place.name}-wal", f"{place.name}-shm"):
                    path.rename(path.with_name(path.name.replace(place.name, old.name, 1)))
        else:
            copy_file(place, old)
            old.chmod(0o600)
        kept.append(old.name)
    copy_in(source, place)
    return kept


def _put_key(source: Path, place: Path, now: str) -> list[str]:
    if place.exists() and place.read_bytes() == source.read_bytes():
        return []
    kept = [_aside(place, now).name] if place.exists() else []
    source.chmod(0o600)
    source.replace(place)
    return kept


def _aside(path: Path, now: str) -> Path:
    return path.rename(path.with_name(f"{path.name}.{KEPT_ASIDE}{now}"))


# -- afterwards -------------------------------------------------------------------------------------------------------------------
def _resume(settings: Settings, contents: Contents, folder: str, kept: Mapping[str, Any]) -> tuple[int, int, set[str]]:
    """Check what was put into place, and do again what people asked for since the backup.

    Returns
    -------
    int, int, set of str
        People erased again, choices taken down again, ids of those receipts handed in that this home has signed.
    """
    with closing(open_store(settings.resolved_store_url)) as inner:
        _same(state_of(inner), contents.stores[folder], f"the store {database_of(settings)}")
        said = _choose_again(inner, kept["choices"])
        store = guarded(inner, settings)
        mine = _signed_here(settings.home, kept["handed in"]) if kept["handed in"] else []
        again = _erase_again(store, settings, [*kept["receipts"], *mine])
        entry = AuditEntry(at=time.time(), actor="local", act="restore", detail=f"backup of {contents.made_at:.0f}")
        store.add_audit(entry)
    return again, said, {receipt["id"] for receipt in mine}


def _choose_again(store: Store, choices: Sequence[Mapping[str, Any]]) -> int:
    """Take choices down again, in their order, that the store does not know; return how many changed something."""
    made = [Consent(**choice) for choice in choices]
    return store.put_consents([choice for choice in made if choice not in store.consents(choice.user, choice.session)])


def _erase_again(store: Store, settings: Settings, receipts: Sequence[Mapping[str, Any]]) -> int:
    """Erase whoever was erased since the backup; their receipts come back as well. Return how many people that were."""
    known = {parsed(text)["id"] for text in store.erasures()}
    missing = {receipt["id"]: receipt for receipt in receipts if receipt["id"] not in known}
    keys = _keys(settings.home) if missing else []
    subjects = {receipt["subject"] for receipt in missing.values()}
    gone = [who for who in store.everybody() if any(subject_of(key, *who) in subjects for key in keys)] if missing else []
    for user, session in gone:
        erase(store, settings, user=user, session=session, actor="restore")
    for receipt in missing.values():
        store.add_erasure(json.dumps(_unadorned(receipt), indent=1))
    return len(gone)


def _signed_here(home: Path, receipts: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the receipts that were signed with a key of a home: those of other tenants are none of its business."""
    public = [public_key_of(key) for key in _keys(home)]
    texts = [(receipt, json.dumps(_unadorned(receipt))) for receipt in receipts]
    return [receipt for receipt, text in texts if any(verify(text, public_key=one)["valid"] for one in public)]


def _unadorned(receipt: Mapping[str, Any]) -> dict[str, Any]:
    """Return a receipt as it was signed, without what lists of receipts add."""
    return {name: value for name, value in receipt.items() if name != "still_holding"}


def _keys(home: Path) -> list[HomeKey]:
    """Return the key of a home, if it has one, and those that restores put aside: with them receipts were made."""
    names = [KEY] if HomeKey.exists(home) else []
    return [HomeKey(home, name) for name in (*names, *(path.name for path in sorted(home.glob(f"{KEY}.{KEPT_ASIDE}*"))))]


def _differences(contents: Contents, settings: Settings) -> dict[str, tuple[Any, Any]]:
    """Return the settings that say something else now, those of a place or a machine left out."""
    now = settings.model_dump(mode="json")
    return {n: (then, now[n]) for n, then in contents.settings.items() if n in _TELLING and n in now and now[n] != then}
