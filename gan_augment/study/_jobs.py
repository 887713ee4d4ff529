"""Runs the trainings of a study, in this process or in several."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context

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
            self._pool = ProcessPoolExecutor(self.processes, get_context("spawn"), _start, (self.processes,))
        futures = {self._pool.submit(run_job, job): job for job in jobs} if self._pool else {}
        try:
            yield from ((futures[future], future.result()) for future in as_completed(futures))
        except BrokenProcessPool as error:
            raise RuntimeError(
                "A process of the study ended: it ran out of memory, or the script that called study() has no "
                'if __name__ == "__main__": around it, which processes above 1 need.'
            ) from error

    def close(self) -> None:
        """Ends the processes, without waiting for what has not begun."""
        self.bar.close()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


@contextmanager
def runner(processes: int, total: int, progress: bool) -> Iterator[Runner]:
    """A :class:`Runner` that is closed in the end."""
    running = Runner(processes, total, progress)
    try:
        yield running
    finally:
        running.close()


def _start(processes: int) -> None:
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // processes))
