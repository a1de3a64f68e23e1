"""Processes of their own for what must not share ours: a second writer, and the load on an API."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from os import getpid
from types import TracebackType
from typing import Self, TypeVar, TypeVarTuple

import psutil

A = TypeVarTuple("A")
R = TypeVar("R")


def at_once() -> None:
    """The beginning of a process that needs none."""


class Apart:
    """A process that makes one call at a time for us; it makes the call `begin` first."""

    def __init__(self, begin: Callable[[*A], None], *args: *A) -> None:
        self._process = ProcessPoolExecutor(1, get_context("spawn"), initializer=begin, initargs=args)

    async def do(self, call: Callable[[*A], R], *args: *A) -> R:
        """The result of `call`, a function of a module."""
        return await asyncio.get_running_loop().run_in_executor(self._process, call, *args)

    async def process(self) -> psutil.Process:
        return psutil.Process(await self.do(getpid))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.shutdown()
