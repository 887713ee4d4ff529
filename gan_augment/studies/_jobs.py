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
from ._folder import Outcome, read_outcome


class Runner:
    """Runs ``total`` jobs in this process, or spawns several. Use it in a ``with`` block, which ends them."""

    def __init__(self, processes: int, total: int, progress: bool) -> None:
        self.processes = processes
        self.bar = progress_bar(show=progress, total=total, desc="Training classifiers", unit="run")
        self._executor: ProcessPoolExecutor | None = None
        self._alive: Connection | None = None
        self._workers: list[BaseProcess] = []

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if error is not None:
            for process in self._workers:
                process.terminate()
        self.bar.close()
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)
        if self._alive is not None:
            self._alive.close()

    def __call__(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Returns the outcomes of jobs in their order, and trains the jobs that have none yet."""
        outcomes = {job.path: read_outcome(job.path) for job in jobs}
        missing = [job for job in jobs if outcomes[job.path] is None]
        self.bar.update(len(jobs) - len(missing))
        for job, outcome in self._train(missing):
            outcomes[job.path] = outcome
            self.bar.set_postfix_str(job.arm.name, refresh=True)
            self.bar.update()
        return [outcome for outcome in outcomes.values() if outcome is not None]

    def _train(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, Outcome]]:
        """Trains jobs, and yields each outcome when it is ready."""
        if self.processes == 1 or not jobs:
            yield from ((job, run_job(job)) for job in jobs)
            return
        if self._executor is None:
            # Spawned: a fork of a process that has used several threads hangs in its first convolution.
            context = get_context("spawn")
            watched, self._alive = context.Pipe(duplex=False)
            self._executor = ProcessPoolExecutor(self.processes, context, start_worker, (self.processes, watched))
        others = active_children()
        with _blocked_interrupts():  # the processes that start here inherit it
            futures = {self._executor.submit(run_job, job): job for job in jobs}
        self._workers += [process for process in active_children() if process not in [*others, *self._workers]]
        try:
            yield from ((futures[future], future.result()) for future in as_completed(futures))
        except BrokenProcessPool as error:
            raise RuntimeError(
                "A process of the study ended: it ran out of memory, or the script that called study() lacks the line "
                'if __name__ == "__main__":, which more than one process needs.'
            ) from error


def start_worker(processes: int, watched: Connection) -> None:
    """Prepares a worker process: it ignores Ctrl-C, and ends when the other end of the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to all; the first process ends the others
    threading.Thread(target=_exit_after, args=(watched,), daemon=True).start()
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // processes))


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
