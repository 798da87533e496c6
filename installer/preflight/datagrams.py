"""Several servers asked at once over UDP, so that a dead one costs no more time than all of them."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from installer.model.site import Address

T = TypeVar("T")
TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Question(Generic[T]):
    """`parse` gives None for a datagram that is no answer to this request."""

    server: Address
    port: int
    request: bytes
    parse: Callable[[bytes], T | None]


@dataclass(frozen=True, slots=True)
class Reply(Generic[T]):
    """`value` is None where nothing came; `problem` then says what the kernel said, "" for silence."""

    value: T | None = None
    problem: str = ""


def ask_servers(questions: Sequence[Question[T]], for_s: float) -> list[Reply[T]]:
    """A reply for each question, in their order, after `for_s` at most. Each is sent up to TRIES times. Raises nothing."""
    replies: list[Reply[T]] = [Reply() for _ in questions]
    with contextlib.ExitStack() as stack:
        waiting: dict[socket.socket, int] = {}
        for number, question in enumerate(questions):
            try:
                waiting[stack.enter_context(_open(question))] = number
            except OSError as error:
                replies[number] = Reply(problem=explain(error))
        started_at = time.monotonic()
        sends_at = [started_at + for_s * part / TRIES for part in range(TRIES)]
        while waiting and (now := time.monotonic()) < started_at + for_s:
            if sends_at and now >= sends_at[0]:
                sends_at.pop(0)
                for handle, number in waiting.items():
                    with contextlib.suppress(OSError):  # what came back for the last one is read below
                        handle.send(questions[number].request)
            for handle in select.select(list(waiting), [], [], 0.05)[0]:
                reply = _receive(handle, questions[waiting[handle]])
                if reply is not None:
                    replies[waiting.pop(handle)] = reply
    return replies


def explain(error: OSError) -> str:
    """Why a server cannot be reached, in words for a person."""
    if isinstance(error, ConnectionRefusedError):
        return "nothing serves there"
    return os.strerror(error.errno).lower() if error.errno else str(error)


def _open(question: Question[T]) -> socket.socket:
    family = socket.AF_INET if question.server.version == 4 else socket.AF_INET6
    handle = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        handle.connect((str(question.server), question.port))
    except OSError:
        handle.close()
        raise
    return handle


def _receive(handle: socket.socket, question: Question[T]) -> Reply[T] | None:
    try:
        value = question.parse(handle.recv(4096))
    except BlockingIOError:
        return None
    except OSError as error:
        return Reply(problem=explain(error))
    return None if value is None else Reply(value)
