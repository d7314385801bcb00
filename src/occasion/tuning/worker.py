"""Worker: one of several processes that train together, started by `occasion.tuning.launch`."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from dataclasses import asdict
from threading import Thread
from typing import Any

from occasion.tuning.assignment import Assignment, received
from occasion.tuning.launch import LEARNT, MEETING

__all__ = ["main"]


class _Voice:
    """Tells the parent; what anything else prints goes to stderr."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)

    def tell(self, **message: Any) -> None:
        """Send one message."""
        self._out.write(json.dumps(message) + "\n")
        self._out.flush()

    def close(self) -> None:
        """Say no more."""
        self._out.close()


def main() -> None:
    """Do the part that was assigned."""
    voice = _Voice()
    # The parent hears of an interruption, too, and ends its children.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    assignment = received(sys.stdin.buffer)
    Thread(target=_end_with_parent, daemon=True).start()
    try:
        _learn(assignment, int(os.environ["RANK"]), voice, time.monotonic())
    except Exception as error:
        trace = traceback.format_exc()
        voice.tell(failed={"kind": type(error).__name__, "text": str(error), "trace": trace, "at": time.time()})
        sys.stderr.write(trace)
        sys.stderr.flush()
        # Whoever waits for the others now would never end.
        os._exit(1)
    voice.close()
    # All is written and told; taking the libraries down in good order takes seconds.
    os._exit(0)


def _end_with_parent() -> None:
    # Nothing more is written to stdin: it ends when the parent does, however that ended.
    os.read(0, 1)
    os._exit(1)


def _learn(assignment: Assignment, rank: int, voice: _Voice, begun: float) -> None:
    import torch
    from safetensors.torch import save_file

    from occasion.tuning.checkpoints import saving
    from occasion.tuning.networks import learning, load_network, prepare
    from occasion.tuning.ranks import joined

    options, folder = assignment.options, assignment.folder
    torch.set_num_threads(assignment.threads)
    torch.manual_seed(options.seed)
    cuda = options.device != "cpu" and torch.cuda.is_available()
    with joined(rank, assignment.processes, folder / MEETING, cuda=cuda):
        model, _ = load_network(options.base, assignment.home, max_tokens=options.max_tokens, device=options.device)
        prepare(model, options)
        from occasion.tuning.training import train

        course = train(
            model, assignment.lessons, options, assignment.work, epochs=assignment.epochs,
            deadline=None if assignment.seconds is None else begun + assignment.seconds,
            progress=(lambda *stage: voice.tell(stage=stage)) if rank == 0 else None,
        )  # fmt: skip
    if rank == 0:
        with saving(folder):
            save_file({name: weight.detach().cpu().contiguous() for name, weight in learning(model).items()}, str(folder / LEARNT))
        voice.tell(course=asdict(course))


if __name__ == "__main__":
    main()
