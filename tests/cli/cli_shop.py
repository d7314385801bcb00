"""A little shop for the command-line tests, and ways to call the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from occasion.cli import cli
from occasion.cli.failures import guarded
from occasion.data import Event, Item, User
from occasion.stores import open_store

OCCASION = Path(sys.executable).with_name("occasion")
T0 = 1_790_000_000.0
GOODS = {
    "phone": ("A fast phone with a bright display", "electronics", 500.0),
    "tablet": ("A light tablet for reading and drawing", "electronics", 300.0),
    "camera": ("A small camera for travelling", "electronics", 250.0),
    "chips": ("Salted potato chips", "snacks", 2.0),
    "salsa": ("Spicy tomato salsa dip", "snacks", 3.0),
    "beer": ("A six-pack of beer", "drinks", 8.0),
    "tea": ("Herbal tea for a sore throat", "drinks", 4.0),
    "syrup": ("Cough syrup for colds", "pharmacy", 9.0),
    "a/b 🙂": ("Pancake mix for breakfast", "groceries", 3.5),
    "tent": ("A tent for two in the mountains", "outdoor", 150.0),
}


@dataclass(frozen=True)
class Done:
    """What a finished command left."""

    code: int
    out: str
    err: str


def occasion(*arguments: str, home: Path | None = None, stdin: str | None = None, env: dict[str, str] | None = None) -> Done:
    """Run the installed command as a person would."""
    command = [str(OCCASION), *arguments, *(["--home", str(home)] if home else [])]
    done = subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONUTF8": "1", **(env or {})},
        timeout=600,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def inside(*arguments: str, home: Path | None = None) -> Done:
    """Run the command line in this process: the same but for the start of an interpreter, which costs most of a short command."""
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = guarded(cli, [*arguments, *(["--home", str(home)] if home else [])])
    return Done(code, out.getvalue(), err.getvalue())


def fill(home: Path) -> Path:
    """Put the shop into a home; ann likes electronics, bob likes snacks."""
    home.mkdir(parents=True, exist_ok=True)
    store = open_store(f"sqlite:///{home / 'occasion.db'}")
    store.put_items(
        Item(id=i, text={"title": title}, categories=(category,), price=price) for i, (title, category, price) in GOODS.items()
    )
    store.put_users([User(id="ann"), User(id="bob")])
    acts = [
        ("ann", "phone"),
        ("ann", "tablet"),
        ("bob", "chips"),
        ("bob", "salsa"),
        ("bob", "beer"),
        ("eve", "chips"),
        ("eve", "beer"),
    ]
    store.append([Event(user=u, item=i, type="purchase", at=T0 + 60 * n) for n, (u, i) in enumerate(acts)])
    store.close()
    return home
