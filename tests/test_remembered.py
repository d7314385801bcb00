"""What is remembered, when it is forgotten, and that nobody can tell from the answers."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from occasion.remembered import Remembered


def test_an_answer_is_kept_from_the_second_meeting_on() -> None:
    """What comes once leaves no room taken."""
    worked: list[str] = []
    memory: Remembered[str] = Remembered(2)

    def ask(question: str) -> str:
        return memory.get(question, lambda: worked.append(question) or question.upper())

    assert [ask("a"), ask("b"), ask("a"), ask("a"), ask("a")] == ["A", "B", "A", "A", "A"]
    assert worked == ["a", "b", "a"]
    assert len(memory) == 1


@given(st.lists(st.one_of(st.integers(0, 5), st.just("change")), max_size=60), st.integers(1, 3))
def test_answers_are_those_of_the_moment(steps: list[int | str], most: int) -> None:
    """Whatever was asked before, an answer is what it would be without a memory, and there are never more than asked for."""
    memory: Remembered[tuple[int, int]] = Remembered(most)
    state = 0
    for step in steps:
        if step == "change":
            state += 1
            memory.clear()
        else:
            assert memory.get(step, lambda q=step, s=state: (int(q), s)) == (step, state)
            assert len(memory) <= most


def test_an_answer_that_was_under_way_at_a_change_is_not_kept() -> None:
    """It was made of what is no more."""
    memory: Remembered[str] = Remembered()
    memory.get("q", lambda: "old")
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> str:
        begun.set()
        go_on.wait(60)
        return "old"

    thread = threading.Thread(target=memory.get, args=("q", slow))
    thread.start()
    assert begun.wait(60)
    memory.clear()
    go_on.set()
    thread.join()
    assert memory.get("q", lambda: "new") == "new"
