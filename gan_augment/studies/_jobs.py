"""Trains the classifiers and fits the generators of a study, in this process or in several."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing import active_children, get_context, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from .._core import progress_bar
from ._arms import Job, run_job
from ._estimate import Cost
from ._fitting import FitJob, run_fitting
from ._folder import Outcome, read_outcome
from ._synthetic import ControlJob, make_control

AnyJob = Job | FitJob | ControlJob
Describe = Callable[[Job, Mapping[Path, Outcome | None]], str]

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
        self._running: dict[Future[Any], AnyJob] = {}  # at most one for each process
        self._queued: list[FitJob | ControlJob] = []  # for idle processes
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
        """Starts a progress bar for the estimated seconds of all jobs; every step moves it."""
        self.costs = costs
        bar_format = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}, {remaining} left{postfix}"
        # The mean speed tells how long the rest takes; tqdm's default, the speed of the last steps, varies too much.
        options: dict[str, Any] = {"bar_format": bar_format, "smoothing": 0.0}
        self.bar = progress_bar(show=self.progress, total=seconds, desc="Study", **options)

    def estimate_again(self, trainings: float) -> float:
        """Corrects the bar for these seconds of remaining training, and returns the seconds of all remaining work."""
        left = trainings + sum(job.seconds for job in self._queued)
        self.bar.total = self.bar.n + left
        self.bar.refresh()
        return left

    def queue(self, jobs: Sequence[FitJob | ControlJob]) -> None:
        """Queues jobs for idle processes and for :meth:`finish`."""
        self._queued.extend(jobs)

    def finish(self, kind: type[FitJob | ControlJob]) -> None:
        """Runs the queued jobs of a kind, and waits for those that are already running."""
        ahead = deque(job for job in self._queued if isinstance(job, kind))
        self._queued = [job for job in self._queued if not isinstance(job, kind)]
        for job, _ in self._run(ahead, kind):
            self.show(job.name)

    def __call__(self, jobs: Sequence[Job], describe: Describe) -> list[Outcome]:
        """Returns the outcomes of jobs in their order, and trains the jobs that have none yet.

        ``describe`` returns the text beside the progress bar, from the last job and all outcomes so far.
        """
        outcomes = {job.path: read_outcome(job.path) for job in jobs}
        missing = deque(job for job in jobs if outcomes[job.path] is None)
        for job, outcome in self._run(missing, Job):
            text = job.name
            if isinstance(job, Job):
                outcomes[job.path] = outcome
                text = describe(job, outcomes)
            self.show(text)
        return [found for job in jobs if (found := outcomes[job.path]) is not None]

    def _run(self, ahead: deque[Any], kind: type[AnyJob]) -> Iterator[tuple[AnyJob, Any]]:
        """Runs jobs of one kind until all are done, and yields each job with its result when it is ready.

        Idle processes run queued jobs. A later call may yield their results.
        """
        if self.processes == 1:
            while ahead:
                job = ahead.popleft()
                yield job, run(job, partial(self._move, self._step_seconds(job)))
            return
        while ahead or any(isinstance(job, kind) for job in self._running.values()):
            try:
                while len(self._running) < self.processes and (ahead or self._queued):
                    self._submit(ahead.popleft() if ahead else self._queued.pop(0))
                done, _ = wait(self._running, POLL_SECONDS, FIRST_COMPLETED)
                results = [(self._running.pop(future), future.result()) for future in done]
            except BrokenProcessPool as error:
                raise RuntimeError(
                    "A process of the study ended. Either it ran out of memory, or the script that called study() "
                    'lacks the line if __name__ == "__main__":. Add this line, or pass processes=1.'
                ) from error
            self._move(self._worked.value - self.bar.n)
            for job, (result, warned) in results:
                for warning in warned:
                    warnings.warn(warning, stacklevel=2)
                yield job, result

    def _submit(self, job: AnyJob) -> None:
        """Starts a job in an idle process."""
        if self._executor is None:
            watched, self._alive = self._context.Pipe(duplex=False)
            shared = (watched, self._worked)
            self._executor = ProcessPoolExecutor(self.processes, self._context, start_worker, shared)
        others = active_children()
        with _blocked_interrupts():  # the process that may start here inherits it
            self._running[self._executor.submit(run_counted, job, self._step_seconds(job))] = job
        self._workers += [process for process in active_children() if process not in [*others, *self._workers]]

    def _step_seconds(self, job: AnyJob) -> float:
        """Returns the estimated seconds of a step of a job. A training step includes its share of the predictions."""
        if isinstance(job, Job):
            return self.costs[job.arm.classifier.name].training(job.steps) / job.steps
        return job.step_seconds

    def show(self, text: str) -> None:
        """Shows a text beside the progress bar."""
        self.bar.set_postfix_str(text, refresh=True)

    def _move(self, seconds: float) -> None:
        """Moves the bar, but not beyond its end, because the total is an estimate."""
        self.bar.update(max(min(seconds, (self.bar.total or 0) - self.bar.n), 0))


_worked: Any = None  # in a worker process, the counter that all processes share


def run(job: AnyJob, on_step: Callable[[], object]) -> Outcome | None:
    """Runs a job; ``on_step`` is called after each step."""
    if isinstance(job, Job):
        return run_job(job, on_step)
    if isinstance(job, FitJob):
        run_fitting(job, on_step)
    else:
        make_control(job, on_step)
    return None


def run_counted(job: AnyJob, seconds: float) -> tuple[Outcome | None, list[Warning | str]]:
    """Runs a job in a worker process, counts the estimated seconds of each step, and returns the warnings too."""

    def count() -> None:
        with _worked.get_lock():
            _worked.value += seconds

    try:
        with warnings.catch_warnings(record=True) as warned:  # the main process shows them
            return run(job, count), [each.message for each in warned]
    except SystemExit as error:  # of a fitting, on SIGTERM; the executor would keep it as a result and go on
        os._exit(error.code if isinstance(error.code, int) else 1)


def start_worker(watched: Connection, worked: Any) -> None:
    """Prepares a worker process: it ignores Ctrl-C, and ends when the other end of the pipe closes."""
    global _worked  # a synchronised value cannot be an argument of a job
    _worked = worked
    sys.stdout = sys.stderr  # stdout is for the result, with --json as one document
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
