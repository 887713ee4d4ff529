"""Runs the trainings of a study, in this process or in several."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing import active_children, get_context, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from .._core import progress_bar
from ._arms import Job, run_job
from ._estimate import Cost
from ._folder import Outcome, read_outcome

POLL_SECONDS = 0.5


class Runner:
    """Runs jobs in this process, or in several new ones. Use it in a ``with`` block, which ends the new processes."""

    def __init__(self, processes: int, progress: bool) -> None:
        self.processes, self.progress = processes, progress
        self.costs: Mapping[str, Cost] = {}
        self.bar = progress_bar(show=False)
        self._executor: ProcessPoolExecutor | None = None
        self._alive: Connection | None = None
        self._workers: list[BaseProcess] = []
        self._context = get_context("spawn")  # a fork of a process with several threads hangs in a convolution
        self._worked = self._context.Value("d", 0.0)  # estimated seconds of the work that all processes have done

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if error is not None:
            for process in self._workers:
                process.terminate()
        else:
            self._move(self.bar.total or 0)
        self.bar.close()
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)
        if self._alive is not None:
            self._alive.close()

    def start(self, costs: Mapping[str, Cost], seconds: float) -> None:
        """Starts a progress bar for the estimated seconds of all trainings; every step moves it."""
        self.costs = costs
        options = {"bar_format": "{desc}: {percentage:3.0f}%|{bar}| {elapsed}, {remaining} left{postfix}"}
        self.bar = progress_bar(show=self.progress, total=seconds, desc="Training classifiers", **options)

    def __call__(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Returns the outcomes of jobs in their order, and trains the jobs that have none yet."""
        outcomes = {job.path: read_outcome(job.path) for job in jobs}
        missing = [job for job in jobs if outcomes[job.path] is None]
        for job, outcome in self._train(missing):
            outcomes[job.path] = outcome
            self.bar.set_postfix_str(job.arm.name, refresh=True)
        return [found for job in jobs if (found := outcomes[job.path]) is not None]

    def _train(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, Outcome]]:
        """Trains jobs, and yields each outcome when it is ready."""
        if self.processes == 1 or not jobs:
            for job in jobs:
                yield job, run_job(job, partial(self._move, self._seconds(job)))
            return
        if self._executor is None:
            watched, self._alive = self._context.Pipe(duplex=False)
            shared = (watched, self._worked)
            self._executor = ProcessPoolExecutor(self.processes, self._context, start_worker, shared)
        others = active_children()
        with _blocked_interrupts():  # the processes that start here inherit it
            futures = {self._executor.submit(run_counted, job, self._seconds(job)): job for job in jobs}
        self._workers += [process for process in active_children() if process not in [*others, *self._workers]]
        waiting = set(futures)
        try:
            while waiting:
                done, waiting = wait(waiting, POLL_SECONDS, FIRST_COMPLETED)
                self._move(self._worked.value - self.bar.n)
                yield from ((futures[future], future.result()) for future in done)
        except BrokenProcessPool as error:
            raise RuntimeError(
                "A process of the study ended: it ran out of memory, or the script that called study() lacks the line "
                'if __name__ == "__main__":, which more than one process needs.'
            ) from error

    def _seconds(self, job: Job) -> float:
        """Returns the estimated seconds of a step of a job, with its share of the predictions."""
        return self.costs[job.arm.classifier.name].training(job.steps) / job.steps

    def _move(self, seconds: float) -> None:
        """Moves the bar, but not beyond its end, because the total is an estimate."""
        self.bar.update(max(min(seconds, (self.bar.total or 0) - self.bar.n), 0))


_worked: Any = None  # in a worker process, the counter that all processes share


def run_counted(job: Job, seconds: float) -> Outcome:
    """Runs a job in a worker process, and counts the estimated seconds of each step."""

    def count() -> None:
        with _worked.get_lock():
            _worked.value += seconds

    return run_job(job, count)


def start_worker(watched: Connection, worked: Any) -> None:
    """Prepares a worker process: it ignores Ctrl-C, and ends when the other end of the pipe closes."""
    global _worked  # a synchronised value cannot be an argument of a job
    _worked = worked
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to all; the first process ends the others
    threading.Thread(target=_exit_after, args=(watched,), daemon=True).start()


def _exit_after(watched: Connection) -> None:
    """Ends this process when the process at the other end closes the pipe, or ends for any reason."""
    with contextlib.suppress(EOFError, OSError):
        watched.recv_bytes()
    os._exit(1)


@contextmanager
def _blocked_interrupts() -> Iterator[None]:
    """Delays Ctrl-C until the block ends; processes that start in the block never get it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # older Pythons unblock interrupts when they start it
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
