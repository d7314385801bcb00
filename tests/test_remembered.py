"""What is remembered, when it is forgotten, and that nobody can tell from the answers."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from occasion.remembered import Remembered

STEPS = st.lists(st.one_of(st.integers(0, 5), st.just("change")), max_size=60)


def test_an_answer_is_kept_from_the_second_meeting_on() -> None:
    """What comes once leaves no room taken."""
    worked: list[str] = []
    memory: Remembered[str, str] = Remembered(2)

    def ask(question: str) -> str:
        return memory.get(question, lambda q: worked.append(q) or q.upper())

    assert [ask("a"), ask("b"), ask("a"), ask("a"), ask("a")] == ["A", "B", "A", "A", "A"]
    assert worked == ["a", "b", "a"]
    assert len(memory) == 1


@given(STEPS, st.integers(1, 3), st.integers(0, 3))
def test_answers_are_those_of_the_moment(steps: list[int | str], most: int, new: int) -> None:
    """Whatever was asked before, an answer is what it would be without a memory, and there are never more than asked for."""
    memory: Remembered[int, tuple[int, int]] = Remembered(most, new)
    state = 0
    for step in steps:
        if step == "change":
            state += 1
            memory.clear()
        else:
            assert memory.get(step, lambda q, s=state: (q, s)) == (step, state)
            assert len(memory) <= most + new


@given(STEPS, st.integers(1, 3), st.integers(1, 3))
def test_a_first_meeting_is_kept_for_a_while_and_pushes_out_nothing_that_came_again(
    steps: list[int | str], most: int, new: int
) -> None:
    """What is kept, and what is worked out anew, is what two plain lists say: the last that came once, and the last that came again."""
    memory: Remembered[int, int] = Remembered(most, new)
    once: list[int] = []
    again: list[int] = []
    worked: list[int] = []
    due: list[int] = []
    for step in steps:
        if step == "change":
            memory.clear()
            once, again = [], []
            continue
        assert isinstance(step, int)
        memory.get(step, lambda q: worked.append(q) or -q - 1)
        if step in once or step in again:
            once, again = [q for q in once if q != step], [q for q in again if q != step]
            again = [*again, step][-most:]
        else:
            due.append(step)
            once = [*once, step][-new:]
        assert worked == due
        assert [memory.known(q) for q in range(6)] == [-q - 1 if q in again else None for q in range(6)]
        assert len(memory) == len(once) + len(again)


@pytest.mark.parametrize("new", [0, 1])
def test_an_answer_that_was_under_way_at_a_change_is_not_kept(new: int) -> None:
    """It was made of what is no more."""
    memory: Remembered[str, str] = Remembered(new=new)
    if not new:
        memory.get("q", lambda _: "old")
    begun, go_on = threading.Event(), threading.Event()

    def slow(_: str) -> str:
        begun.set()
        go_on.wait(60)
        return "old"

    thread = threading.Thread(target=memory.get, args=("q", slow))
    thread.start()
    assert begun.wait(60)
    memory.clear()
    go_on.set()
    thread.join()
    assert memory.get("q", lambda _: "new") == "new"
