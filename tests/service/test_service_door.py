"""The door: connections go to the workers that are ready, by turns, and one that hangs or is gone holds up no other."""

from __future__ import annotations

import socket
import time

import pytest

if not hasattr(socket, "send_fds"):
    pytest.skip("needs sockets that take files along", allow_module_level=True)

from occasion.service.sharing import READY, Door


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0), backlog=512) as made:
        yield made


@pytest.fixture
def door(listening):
    made = Door(listening)
    yield made
    made.leave()


def connect(listening, times=1):
    return [socket.create_connection(listening.getsockname()) for _ in range(times)]


def handed(channel):
    """Return the local ends' ports of the clients that a worker was handed."""
    channel.setblocking(False)
    ports = []
    while True:
        try:
            said, files, _, _ = socket.recv_fds(channel, 1, 1)
        except BlockingIOError:
            return ports
        if not said:
            return ports
        for file in files:
            with socket.socket(fileno=file) as taken:
                ports.append(taken.getpeername()[1])


def test_connections_wait_for_a_worker_and_then_go_by_turns(door, listening):
    one, two = door.channel(), door.channel()
    clients = connect(listening, 4)
    door.serve([], 0.05)
    assert handed(one) == handed(two) == []
    one.send(READY)
    door.serve([], 0.05)
    assert handed(one) == [c.getsockname()[1] for c in clients]
    two.send(READY)
    door.serve([], 0.05)
    more = connect(listening, 4)
    door.serve([], 0.05)
    ports = [c.getsockname()[1] for c in more]
    first, second = handed(one), handed(two)
    assert sorted(first + second) == sorted(ports)
    assert len(first) == len(second) == 2
    # One that is gone gets none any more.
    one.close()
    door.serve([], 0.05)
    last = connect(listening, 3)
    door.serve([], 0.05)
    assert handed(two) == [c.getsockname()[1] for c in last]
    for each in [*clients, *more, *last, two]:
        each.close()


def test_a_worker_that_takes_nothing_holds_up_no_other(door, listening):
    end = time.monotonic() + 60
    hangs, works = door.channel(), door.channel()
    hangs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    for channel in (hangs, works):
        channel.send(READY)
    door.serve([], 0.05)
    given = 0
    # By turns until the channel of the one is full: from then on the other gets all.
    while given < 8:
        clients = connect(listening, 8)
        door.serve([], 0.05)
        given = len(handed(works))
        for client in clients:
            client.close()
        assert time.monotonic() < end
    works.close()
    door.serve([], 0.05)
    # Nobody can take these now: the first one stays in the parent's hand, the others behind it.
    waiting = connect(listening, 8)
    door.serve([], 0.05)
    late, taken = door.channel(), []
    late.send(READY)
    while len(taken) < 8:
        door.serve([], 0.05)
        taken += handed(late)
        assert time.monotonic() < end
    assert taken == [client.getsockname()[1] for client in waiting], "none is lost"
    for each in [*waiting, hangs, late]:
        each.close()


def test_it_returns_as_soon_as_another_file_can_be_read(door):
    ours, theirs = socket.socketpair()
    begun = time.monotonic()
    theirs.send(b"x")
    door.serve([ours.fileno()], 30)
    assert time.monotonic() - begun < 15
    for each in (ours, theirs):
        each.close()


def test_who_leaves_holds_neither_the_port_nor_what_belongs_to_workers(door, listening):
    theirs = door.channel()
    door.leave()
    assert listening.fileno() == -1
    assert theirs.recv(1) == b"", "nobody else has the other end"
    theirs.close()
