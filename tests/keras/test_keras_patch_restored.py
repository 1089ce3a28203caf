"""initcore.keras.patch(): what it restores, however it is left. test_keras_backends.py runs this on each backend."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from support import Run, need
from test_keras import EXAMPLES
from test_keras_patch import UNTOUCHED, halves, kernel_of, nothing_stays, pytestmark  # noqa: F401, for each test here

from initcore import keras as ours
from initcore.keras import _names, _tally

keras = need("keras")
theirs = keras.initializers


class TestRestored:
    def test_by_exceptions(self) -> None:
        with pytest.raises(KeyboardInterrupt), ours.patch():
            raise KeyboardInterrupt

    def test_nested(self) -> None:
        with ours.patch() as outer:
            with ours.patch() as inner:
                kernel_of(keras.layers.Dense(3))
            kernel_of(keras.layers.Dense(3))
            assert _tally.watching()
        assert (outer.elements, inner.elements) == (24, 12)

    def test_in_any_order(self) -> None:
        first, second = ours.patch(), ours.patch()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert type(theirs.get("he_normal")) is ours.HeNormal
        second.__exit__(None, None, None)

    @pytest.mark.parametrize("leave", ["close", "throw", "exhaust"])
    def test_from_a_generator(self, leave: str) -> None:
        def layers() -> Iterator[Any]:
            with ours.patch():
                yield keras.layers.Dense(3)

        generator = layers()
        assert type(next(generator).kernel_initializer) is ours.GlorotUniform
        if leave == "close":
            generator.close()  # type: ignore[attr-defined]
        elif leave == "throw":
            with pytest.raises(RuntimeError):
                generator.throw(RuntimeError)  # type: ignore[attr-defined]
        else:
            assert list(generator) == []

    def test_on_and_off(self) -> None:
        drawn = ours.patch.on()
        assert ours.patch.on() is drawn
        with ours.patch():
            pass
        kernel_of(keras.layers.Dense(3))
        assert ours.patch.off() is drawn
        assert ours.patch.off() is None
        kernel_of(keras.layers.Dense(3))
        assert drawn.elements == 12

    def test_as_a_decorator(self) -> None:
        @ours.patch()
        def build(depth: int) -> Any:
            return build(depth - 1) if depth else keras.layers.Dense(3)

        assert type(build(2).kernel_initializer) is ours.GlorotUniform

    def test_threads(self) -> None:
        """Another thread's layers are reached, and whoever leaves last restores."""
        entered, leave = threading.Event(), threading.Event()

        def other() -> None:
            with ours.patch():
                entered.set()
                leave.wait()

        thread = threading.Thread(target=other)
        thread.start()
        entered.wait()
        try:
            assert type(keras.layers.Dense(3).kernel_initializer) is ours.GlorotUniform
            with ours.patch():
                pass
            assert _tally.watching()
        finally:
            leave.set()
            thread.join()

    def test_what_another_package_replaced_meanwhile(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Stays, and what it calls is Keras' own."""
        patch = ours.patch()
        patch.__enter__()
        inner = theirs.HeNormal.__init__
        wrapper = lambda self, *args, **kwargs: inner(self, *args, **kwargs)  # noqa: E731
        theirs.HeNormal.__init__ = wrapper
        try:
            patch.__exit__(None, None, None)
            assert theirs.HeNormal.__init__ is wrapper
            assert type(theirs.HeNormal(seed=1)) is theirs.HeNormal
        finally:
            theirs.HeNormal.__init__ = UNTOUCHED["HeNormal", "__init__"]

    def test_what_another_package_restores_too_late(self) -> None:
        """Does nothing, and the next patch takes no notice of it."""
        with ours.patch():
            late = keras.Variable.__init__
        keras.Variable.__init__ = late
        with ours.patch() as drawn:
            keras.Variable(halves, shape=(4, 3))
        assert drawn.others == {f"{halves.__module__}.halves": (1, 12)}


class TestTable:
    def test_names_that_keras_lacks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Are said, and the others replaced."""
        initializers = SimpleNamespace(**{name: getattr(theirs, name) for name in EXAMPLES if name != "Orthogonal"})
        older = SimpleNamespace(initializers=initializers, Variable=keras.Variable, __version__="3.99.0")
        with monkeypatch.context() as context:
            context.setattr(_names, "keras", older)
            patch = ours.patch()
            with pytest.warns(RuntimeWarning, match="Keras 3.99.0 has no keras.initializers.Orthogonal.__init__"):
                drawn = patch.__enter__()
            try:
                assert type(theirs.get("he_normal")) is ours.HeNormal
                assert type(theirs.get("orthogonal")) is theirs.Orthogonal
            finally:
                patch.__exit__(None, None, None)
        assert [note.split(":")[0].rpartition(".")[2] for note in drawn.notes] == ["__init__", "__call__"]
        assert all(note in str(drawn) for note in drawn.notes)

    def test_an_error_while_it_begins(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fails(*_: Any) -> Any:
            raise MemoryError

        broken = _names.Touched("Variable", "__init__", fails, "nothing")
        with monkeypatch.context() as context:
            context.setattr("initcore.keras._patch.TOUCHED", (*_names.TOUCHED[:5], broken))
            with pytest.raises(MemoryError), ours.patch():
                pass

    def test_a_warning_that_is_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        missing = _names.Touched("no_such_name", "__init__", _names.TOUCHED[0].make, "nothing")
        with monkeypatch.context() as context:
            context.setattr("initcore.keras._patch.TOUCHED", (*_names.TOUCHED, missing))
            with pytest.raises(RuntimeWarning, match=r"has no keras\.no_such_name\.__init__: nothing"), ours.patch():
                pass


FORKED = """
import os, threading, keras, initcore.keras
entered, leave = threading.Event(), threading.Event()

def other():
    with initcore.keras.patch():
        entered.set()
        leave.wait()

thread = threading.Thread(target=other)
thread.start()
entered.wait()
child = os.fork()
if not child:
    theirs = type(keras.initializers.get("he_normal")) is keras.initializers.HeNormal
    with initcore.keras.patch() as drawn:
        keras.layers.Dense(3).build((None, 4))
    os._exit(0 if theirs and drawn.elements == 12 else 1)
_, status = os.waitpid(child, 0)
leave.set()
thread.join()
assert status == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_process_leaves_the_patches_of_other_threads(run_python: Run) -> None:
    run_python(FORKED, KERAS_BACKEND="numpy")
