"""patch() changes functions where they are, for as long as it lasts, and leaves nothing behind."""

from __future__ import annotations

import copy
import functools
import inspect
import multiprocessing
import os
import pickle
import sys
import threading
import types
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import pytest
from support import Run, need

pytestmark = pytest.mark.any_isa

torch = need("torch")
init = need("initcore.torch")
nn, theirs = torch.nn, torch.nn.init

CODES = {name: getattr(theirs, name).__code__ for name in theirs.__all__}
OWN = {"calculate_gain", *(name for name in theirs.__all__ if not name.endswith("_"))}  # aliases call the others


def is_patched() -> bool:
    """Whether all functions are exchanged; and never some of them."""
    changed = {name for name, code in CODES.items() if getattr(theirs, name).__code__ is not code}
    assert changed in (set(), set(theirs.__all__) - OWN)
    torch.manual_seed(0)
    torchs = torch.equal(torch.randn(3), torch.tensor([1.5409960746765137, -0.293428897857666, -2.1787893772125244]))
    assert torchs is not bool(changed)
    return bool(changed)


def ours(draw: Callable[[], Any]) -> float:
    """Which share of what is drawn comes from initcore."""
    with init.patch() as drawn:
        draw()
    assert drawn.elements, "nothing was drawn"
    return float(drawn.share)


class Holds(nn.Module):
    """Keeps an initializer, as an attribute and in a partial."""

    def __init__(self) -> None:
        super().__init__()
        self.init = theirs.normal_
        self.scaled = functools.partial(theirs.trunc_normal_, std=0.02)
        self.weight = nn.Parameter(torch.empty(30, 20))
        self.init(self.weight)
        self.scaled(self.weight)


def default(tensor: Any, draw: Any = theirs.normal_) -> Any:
    return draw(tensor)


def closed() -> Callable[[Any], Any]:
    draw = theirs.xavier_uniform_
    return lambda tensor: draw(tensor)


REFERENCES: dict[str, Callable[[Any], Any]] = {
    "a dict": {"draw": theirs.kaiming_uniform_}["draw"],
    "a partial": functools.partial(theirs.trunc_normal_, std=0.02),
    "a default argument": default,
    "a closure": closed(),
    "an alias": theirs.uniform_,
    "a pickle": pickle.loads(pickle.dumps(theirs.orthogonal_)),
    "a method": types.MethodType(theirs.normal_, torch.empty(30, 20)),
    "a private name": lambda tensor: theirs._no_grad_normal_(tensor, 0.0, 1.0),
    "sparse": lambda tensor: theirs.sparse_(tensor, 0.3),
}


@pytest.mark.parametrize("reference", REFERENCES)
def test_every_reference_to_a_function_is_reached(reference: str) -> None:
    """However it was kept before patch() was entered; and let go with it."""
    function = REFERENCES[reference]
    call = function if reference == "a method" else functools.partial(function, torch.empty(30, 20))
    with init.patch() as drawn:
        call()
    assert list(drawn.initcore) != ["normal_", "uniform_"]
    assert drawn.share == 1
    assert not is_patched()


def test_it_nests_and_restores() -> None:
    patch = init.patch()
    assert not is_patched()
    with patch:
        assert is_patched()
        with init.patch(), patch:
            assert is_patched()
        assert is_patched()
    assert not is_patched()
    with pytest.raises(ZeroDivisionError), init.patch(), init.patch():
        1 / 0  # noqa: B018
    assert not is_patched()


def test_it_is_left_in_any_order() -> None:
    """As generators leave it that are closed in the order in which they were begun."""

    def builder() -> Any:
        with init.patch() as drawn:
            yield drawn
            yield torch.randn(100)

    first, second = builder(), builder()
    drawn, other = next(first), next(second)
    next(first)
    first.close()
    assert is_patched()
    next(second)
    second.close()
    assert not is_patched()
    assert drawn.elements == 100
    assert other.elements == 203  # those of both, and of is_patched()


def test_threads_hold_it_as_long_as_the_longest() -> None:
    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with init.patch():
            entered.set()
            leave.wait()

    with init.patch():
        thread = threading.Thread(target=other)
        thread.start()
        entered.wait()
    assert is_patched()
    leave.set()
    thread.join()
    assert not is_patched()


def test_threads_draw_while_others_come_and_go() -> None:
    """No crash, no other distribution, whoever enters and leaves meanwhile."""
    stop = threading.Event()
    wrong: list[Any] = []

    def draws() -> None:
        while not stop.is_set():
            weight = theirs.uniform_(torch.empty(1000), 2.0, 3.0)
            if not bool(((weight >= 2) & (weight <= 3)).all()) or not torch.randn(10).isfinite().all():
                wrong.append(weight)

    threads = [threading.Thread(target=draws) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(300):
        with init.patch():
            theirs.normal_(torch.empty(10))
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong
    assert not is_patched()


def test_the_switch() -> None:
    assert init.patch.off() is None
    drawn = init.patch.on()
    assert init.patch.on() is drawn
    assert is_patched()
    with init.patch():
        torch.rand(5)
    assert is_patched()
    assert init.patch.off() is drawn
    assert not is_patched()
    assert drawn.share == 1
    assert drawn.elements == 5 + 3 + 3


def test_it_decorates() -> None:
    @init.patch()
    def build() -> bool:
        return is_patched()

    assert build()
    assert build()
    assert not is_patched()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_leaves_for_threads_that_it_does_not_have(run_python: Run) -> None:
    """The child is patched as long as its own thread is inside, not by a thread that only its parent has."""
    code = """
        import os, threading, torch, initcore.torch as init
        own = torch.nn.init.normal_.__code__
        def is_patched(): return torch.nn.init.normal_.__code__ is not own
        def child(expected):
            pid = os.fork()
            if not pid:
                try:
                    ok = is_patched() is expected
                    with init.patch() as drawn:
                        torch.randn(7)
                    ok = ok and drawn.share == 1 and drawn.elements == 7 and is_patched() is expected
                finally:
                    os._exit(0 if ok else 1)
            assert os.waitpid(pid, 0)[1] == 0, expected
        inside, leave = threading.Event(), threading.Event()
        def other():
            with init.patch():
                inside.set(); leave.wait()
        thread = threading.Thread(target=other); thread.start(); inside.wait()
        assert is_patched()
        child(False)
        with init.patch():
            child(True)
        leave.set(); thread.join()
        assert not is_patched()
        init.patch.on()
        child(True)
    """
    run_python(inspect.cleandoc(code))


def test_modules_that_are_imported_meanwhile_keep_torchs(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "imported_inside.py").write_text("from torch.nn.init import normal_ as draw\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "imported_inside", raising=False)
    with init.patch():
        import imported_inside  # type: ignore[import-not-found]

        with init.patch() as drawn:
            imported_inside.draw(torch.empty(10))
    assert drawn.initcore["normal_"].elements == 10
    assert imported_inside.draw is theirs.normal_
    assert not is_patched()


@contextmanager
def guard(function: Any) -> Any:
    """What libraries do while they load a model: other functions under torch's names, and then back."""
    before = {name: getattr(theirs, name) for name in theirs.__all__}
    try:
        for name in before:
            setattr(theirs, name, function)
        yield
    finally:
        for name, value in before.items():
            setattr(theirs, name, value)


def test_guards_of_others_in_any_order() -> None:
    def nothing(tensor: Any, *_: Any, **__: Any) -> Any:
        return tensor

    held = theirs.normal_
    with init.patch() as drawn:
        with guard(nothing):
            held(torch.empty(10))
            assert theirs.uniform_ is nothing
        theirs.normal_(torch.empty(10))
    assert drawn.initcore["normal_"].elements == 20
    outer, inner = guard(nothing), init.patch()
    outer.__enter__()
    inner.__enter__()
    outer.__exit__(None, None, None)
    assert theirs.normal_ is held
    inner.__exit__(None, None, None)
    assert theirs.normal_ is held
    assert not is_patched()


def test_a_first_import_within_a_guard_finds_torchs_functions(run_python: Run) -> None:
    """Also of those that no alias holds."""
    code = """
        import torch
        held = dict(vars(torch.nn.init))
        def other(tensor, *args, **kwargs): raise AssertionError("the guard's")
        for name in torch.nn.init.__all__: setattr(torch.nn.init, name, other)
        import initcore.torch as init
        for name in torch.nn.init.__all__: setattr(torch.nn.init, name, held[name])
        with init.patch() as drawn:
            torch.nn.init.trunc_normal_(torch.empty(10))
            torch.nn.Linear(3, 4)
        assert drawn.initcore["trunc_normal_"].elements == 10, drawn
        assert drawn.initcore["kaiming_uniform_"].elements == 12 and drawn.share == 1, drawn
        init.kaiming_normal_(torch.empty(3, 3))
    """
    run_python(inspect.cleandoc(code))


def test_models_can_be_saved_copied_and_sent(run_python: Run, tmp_path: Any) -> None:
    """Of initcore nothing is in them."""
    with init.patch():
        made = Holds()
        inside = pickle.dumps((made.init, made.scaled)), copy.deepcopy(made)
        torch.save(nn.TransformerEncoderLayer(16, 2), tmp_path / "model.pt")
    assert b"initcore" not in inside[0]
    function, scaled = pickle.loads(inside[0])
    assert function is theirs.normal_
    assert scaled.func is theirs.trunc_normal_
    assert torch.equal(inside[1].weight, made.weight)
    assert torch.equal(pickle.loads(pickle.dumps(made)).weight, made.weight)
    code = """
        import sys
        sys.modules["initcore"] = None
        import torch
        model = torch.load(sys.argv[1], weights_only=False)
        assert model(torch.zeros(2, 3, 16)).shape == (2, 3, 16)
    """
    run_python(inspect.cleandoc(code), str(tmp_path / "model.pt"))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")
def test_other_processes_draw_the_same(run_python: Run) -> None:
    """Those that are forked inside, and those that patch themselves."""
    code = """
        import multiprocessing, torch, initcore.torch as init
        def weight(seed):
            torch.manual_seed(seed)
            return torch.nn.Linear(20, 10).weight.detach().numpy()
        def patched(seed):
            with init.patch():
                return weight(seed)
        with init.patch(), multiprocessing.get_context("fork").Pool(1) as pool:
            assert (pool.apply(weight, (3,)) == weight(3)).all()
        with multiprocessing.get_context("fork").Pool(1) as pool:
            assert (pool.apply(patched, (3,)) == patched(3)).all()
            assert (pool.apply(weight, (3,)) != patched(3)).any()
    """
    run_python(inspect.cleandoc(code))


def test_no_module_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are: entering and leaving touch none but those of the tables."""

    class Watched(types.ModuleType):
        def __getattribute__(self, name: str) -> Any:
            raise AssertionError(f"{name} was asked for")

    for i in range(1000):
        monkeypatch.setitem(sys.modules, f"watched_{i}", Watched("watched"))
    with init.patch():
        theirs.normal_(torch.empty(3))


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")
def test_signatures_and_sources_stay_torchs() -> None:
    """For who inspects them, and for torch.jit.script."""
    before = {name: (inspect.signature(value), inspect.getsource(value)) for name, value in held_functions()}
    with init.patch():
        for name, value in held_functions():
            assert (inspect.signature(value), inspect.getsource(value)) == before[name], name
            assert value.__module__ == "torch.nn.init"
        scripted = torch.jit.script(theirs.xavier_normal_)
    assert scripted(torch.empty(3, 3)).isfinite().all()


def held_functions() -> list[tuple[str, Any]]:
    return [(name, value) for name, value in vars(theirs).items() if isinstance(value, types.FunctionType)]


def test_somebody_elses_exchange_stays() -> None:
    """Who exchanges a code meanwhile has his own until he takes it back."""
    own, other = theirs.ones_.__code__, (lambda tensor: tensor).__code__
    with init.patch():
        exchanged = theirs.ones_.__code__
        theirs.ones_.__code__ = other
    try:
        assert theirs.ones_.__code__ is other
    finally:
        theirs.ones_.__code__ = own
    assert exchanged is not own
    assert not is_patched()


@pytest.mark.parametrize("wanted", ["_get_tracing_state", "_dispatch_library", "_len_torch_dispatch_stack"])
def test_names_that_torch_lacks_are_said_and_not_fatal(wanted: str, run_python: Run) -> None:
    code = f"""
        import torch
        del torch._C.{wanted}
        import initcore.torch as init
        with init.patch() as drawn:
            torch.nn.init.xavier_normal_(torch.empty(20, 10))
            weight = torch.empty(30).normal_()
        assert drawn.initcore["xavier_normal_"].elements == 200
        assert any("{wanted}" in note for note in drawn.notes), drawn.notes
        assert "{wanted}" in str(drawn)
        assert weight.std() > 0.1
    """
    run_python(inspect.cleandoc(code))
