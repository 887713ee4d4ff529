"""Runs the trainings of a study, in this process or in several."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import active_children, get_context, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import torch

from .._core import progress_bar
from ._arms import Job, run_job
from ._files import Outcome, read_outcome


class Runner:
    """Runs jobs and shows how far they are.

    Args:
        processes (int): 1 is this process; more are new ones, which import the script they were started from.
        total (int): Jobs that will be run, for the time left.
        progress (bool): Whether to show a bar.
    """

    def __init__(self, processes: int, total: int, progress: bool) -> None:
        self.processes = processes
        self.bar = progress_bar(show=progress, total=total, desc="Training classifiers", unit="run")
        self._pool: ProcessPoolExecutor | None = None
        self._alive: Connection | None = None
        self._workers: list[BaseProcess] = []

    def __call__(self, jobs: Sequence[Job]) -> list[Outcome]:
        """The outcomes of jobs, in their order."""
        outcomes = {job.path: read_outcome(job.path) for job in jobs}
        missing = [job for job in jobs if outcomes[job.path] is None]
        self.bar.update(len(jobs) - len(missing))
        for job, outcome in self._run(missing):
            outcomes[job.path] = outcome
            self.bar.set_postfix_str(job.arm.name, refresh=True)
            self.bar.update()
        return [outcome for outcome in outcomes.values() if outcome is not None]

    def _run(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, Outcome]]:
        """Trains, and gives what is done as it is done."""
        if self.processes == 1:
            yield from ((job, run_job(job)) for job in jobs)
            return
        if self._pool is None and jobs:
            # Spawned: forks of a process that has used several threads hang in the first convolution.
            context = get_context("spawn")
            watched, self._alive = context.Pipe(duplex=False)
            self._pool = ProcessPoolExecutor(self.processes, context, _start, (self.processes, watched))
        others = active_children()
        with _interrupts_withheld():  # which the processes that are started here inherit
            futures = {self._pool.submit(run_job, job): job for job in jobs} if self._pool else {}
        self._workers += [process for process in active_children() if process not in [*others, *self._workers]]
        try:
            yield from ((futures[future], future.result()) for future in as_completed(futures))
        except BrokenProcessPool as error:
            raise RuntimeError(
                "A process of the study ended: it ran out of memory, or the script that called study() has no "
                'if __name__ == "__main__": around it, which processes above 1 need.'
            ) from error

    def abandon(self) -> None:
        """Ends the processes at once, whatever they are at."""
        for process in self._workers:
            process.terminate()

    def close(self) -> None:
        """Ends the processes, when they have done what they are at."""
        self.bar.close()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        if self._alive is not None:
            self._alive.close()


@contextmanager
def runner(processes: int, total: int, progress: bool) -> Iterator[Runner]:
    """A :class:`Runner` that is closed in the end."""
    running = Runner(processes, total, progress)
    try:
        yield running
    except BaseException:
        running.abandon()
        raise
    finally:
        running.close()


def _start(processes: int, watched: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to all, and the first process ends the rest
    threading.Thread(target=_end_with, args=(watched,), daemon=True).start()
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // processes))


def _end_with(watched: Connection) -> None:
    """Ends this process when the one at the other end closes it, or ends, however it does."""
    with contextlib.suppress(EOFError, OSError):
        watched.recv_bytes()
    os._exit(1)


@contextmanager
def _interrupts_withheld() -> Iterator[None]:
    """Lets Ctrl-C wait until the block ends, here and, for good, in the processes that are started in it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # which older Pythons start with interrupts let through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
