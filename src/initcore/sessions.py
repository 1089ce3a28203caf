"""Sessions of ``patch()``: the first caller who enters installs what is patched, and the last who leaves removes it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ContextDecorator
from types import TracebackType
from typing import Any, Generic, TypeVar

__all__ = ["Patch", "Sessions", "with_switches"]

R = TypeVar("R")


class Sessions(Generic[R]):
    """The sessions of one kind of patch, of all threads, each with its report.

    Parameters
    ----------
    install, uninstall : callable
        What the first session begins with, and what the last ends with, also if `install` raises.
    begin : callable
        A function that returns a new report.
    end : callable
        A function that completes a report.
    """

    def __init__(
        self,
        install: Callable[[], None],
        uninstall: Callable[[], None],
        begin: Callable[[], R],
        end: Callable[[R], None],
    ) -> None:
        self._install, self._uninstall, self._begin, self._end = install, uninstall, begin, end
        self._lock = threading.RLock()
        #: For each report of a session: the thread that entered it, or None if it is that of :meth:`on`
        self._inside: dict[R, int | None] = {}
        self._switched_on: R | None = None
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=lambda: self._lock.acquire(),
                after_in_parent=lambda: self._lock.release(),
                after_in_child=self._after_fork,
            )

    def enter(self) -> R:
        """Begin a session of this thread, and return its report."""
        return self._enter(threading.get_ident())

    def leave(self, report: R) -> None:
        """End a session."""
        with self._lock:
            if report not in self._inside:  # a thread entered it that a fork has not copied
                return
            del self._inside[report]
            self._end(report)
            if not self._inside:
                self._uninstall()

    def on(self) -> R:
        """Begin the session that :meth:`off` ends, if it has not begun, and return its report."""
        with self._lock:
            if self._switched_on is None:
                self._switched_on = self._enter(None)
            return self._switched_on

    def off(self) -> R | None:
        """End the session that :meth:`on` began, and return its report; None if there is none."""
        with self._lock:
            report, self._switched_on = self._switched_on, None
            if report is not None:
                self.leave(report)
            return report

    def _enter(self, thread: int | None) -> R:
        with self._lock:
            if not self._inside:
                try:
                    self._install()
                except BaseException:
                    self._uninstall()
                    raise
            report = self._begin()
            self._inside[report] = thread
            return report

    def _after_fork(self) -> None:
        """Leave the sessions that were entered by threads which the child process does not have."""
        self._lock = threading.RLock()
        here = threading.get_ident()
        for report in [report for report, thread in self._inside.items() if thread not in (None, here)]:
            self.leave(report)


class Patch(AbstractContextManager[R], ContextDecorator):
    """What ``patch()`` returns: a context manager, which may be entered again, and a decorator."""

    def __init__(self, sessions: Sessions[R]) -> None:
        self._sessions = sessions
        self._entered: list[R] = []

    def __enter__(self) -> R:
        report = self._sessions.enter()
        self._entered.append(report)
        return report

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._sessions.leave(self._entered.pop())

    def _recreate_cm(self) -> Patch[R]:
        return Patch(self._sessions)


def with_switches(patch: Callable[..., Any], on: Callable[[], Any], off: Callable[[], Any]) -> Any:
    """Return the function ``patch`` with its switches, ``patch.on`` and ``patch.off``, by these names."""
    for function, name in ((patch, "patch"), (on, "patch.on"), (off, "patch.off")):
        function.__name__, function.__qualname__ = name.rpartition(".")[2], name
    made: Any = patch
    made.on, made.off = on, off
    return made
