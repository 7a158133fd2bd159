"""What a signal handler raises in one of our callbacks: kept out of the program, and raised again when that is over.

Traced side, on the thread of a compiled program. On the CPU that is the caller's own, as a rule, and a signal that
comes while it computes is handled by the first Python that runs: our callback. XLA would make a `JaxRuntimeError` of
the `KeyboardInterrupt` there. Not raised again by a thread of ours, a moment later: the `try` of the caller's, or the
program as a whole, may be over by then.
"""

import ctypes
import gc
import opcode
import pickle
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, NoReturn, TypeVar

from soltrace import host
from soltrace.wire.system_thread import SystemLocal, system_thread

_Function = TypeVar("_Function", bound=Callable[..., Any])

_BEGINS: Final = bytes([opcode.opmap["RESUME"], 0])
_GOES_ON: Final = bytes([opcode.opmap["RESUME"], 2])


def _blind(function: _Function) -> _Function:
    """Have no signal handled when this function begins, but only in its body.

    The first instruction of a function, RESUME, handles what is pending, and no `try` of its own is around it. Its
    argument says why the function goes on; after `yield from` nothing is handled. A function that begins otherwise, in
    a Python that we don't know, stays as it is.
    """
    code: bytes = function.__code__.co_code
    if code.startswith(_BEGINS):
        function.__code__ = function.__code__.replace(co_code=_GOES_ON + code[len(_BEGINS) :])
    return function


def _look_at_signals() -> None:
    """Every function does when it begins."""


class _Held(SystemLocal):
    """What was kept out of the program that runs in this thread."""

    raising: Iterable[object] = ()
    """Has it raised in this thread when it is iterated over: in C, so that it is not raised right there."""
    stop: Callable[[], object] = staticmethod(_look_at_signals)
    """Has it not raised yet after all, and handles signals."""
    in_a_callback: bool = False
    """Whether this thread is in one of ours, at whose end it is to be raised."""


_HELD: Final = _Held()


class Shield:
    """A callback that raises nothing, whatever is raised in it."""

    def __init__(
        self, pack: Callable[..., tuple[Any, ...]], receive: Callable[..., tuple[Any, ...]], default: tuple[Any, ...]
    ) -> None:
        """Put a callback together.

        Args:
            pack: What is called first; it may be called again, where it was interrupted.
            receive: What is called with that.
            default: The answer where `receive` fails.
        """
        self._pack, self._receive, self._default = pack, receive, default

    @_blind
    def __call__(self, *args: Any) -> tuple[Any, ...]:
        """Handle what is pending first, so that it interrupts nothing, and then call."""
        # Between these calls no signal is handled: only the instructions that call something in C look for one, and
        # those that begin a function or go back in a loop.
        _HELD.in_a_callback = True
        _, signalled = _caught(_HELD.stop, ())
        sent, interrupted = _caught(self._pack, args)
        answer = error = None
        if interrupted is not None:
            sent, error = _caught(self._pack, args)
        if error is None:
            answer, error = _caught(self._receive, sent)
        if signalled is not None or interrupted is not None or error is not None:
            _caught(_hold, (signalled, interrupted, error))
        _HELD.in_a_callback = False
        if _HELD.raising:
            for _ in _HELD.raising:
                break
        return self._default if answer is None else answer

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled with the program: an executable that is loaded again has no callbacks."""
        raise pickle.PicklingError(
            "A compiled program that reports can't be written down: it calls this process. Use jax.export, which "
            "leaves the reports out, or compile it with SOLTRACE_DISABLED=true."
        )


@_blind
def _caught(call: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, BaseException | None]:
    try:
        return call(*args), None
    except BaseException as error:  # noqa: BLE001 - raised again
        return None, error


@_blind
def _before_others_see_garbage(_: str, __: object) -> None:
    """Handle what is pending, and unschedule what is held: in jax's callback it would be raised in vain."""
    _, unscheduling = _caught(_HELD.stop, ())
    _, signalled = _caught(_look_at_signals, ())
    late = None
    if gc.callbacks[0] is not _before_others_see_garbage or gc.callbacks[-1] is not _after_others_have_seen_garbage:
        _, late = _caught(_stand_around, ())
    if unscheduling is not None or signalled is not None or late is not None:
        _caught(_hold, (unscheduling, signalled, late))


def _stand_around() -> None:
    """Stand before and behind whoever has come since. First added, then removed: a signal in between does no harm."""
    gc.callbacks.insert(0, _before_others_see_garbage)
    del gc.callbacks[gc.callbacks.index(_before_others_see_garbage, 1)]
    gc.callbacks.append(_after_others_have_seen_garbage)
    gc.callbacks.remove(_after_others_have_seen_garbage)


@_blind
def _after_others_have_seen_garbage(phase: str, _: object) -> None:
    """Have it raised where garbage happened to be collected, unless that was in a callback of ours."""
    if phase == "stop" and _HELD.raising and not _HELD.in_a_callback:
        for _ in _HELD.raising:
            break


def watch_garbage() -> None:
    """Keep what signal handlers raise out of the callbacks of the garbage collector: it is lost there.

    jax has one. A collection that begins in a program's callback, before any code of ours, would handle a signal in it.
    """
    gc.callbacks.insert(0, _before_others_see_garbage)
    gc.callbacks.append(_after_others_have_seen_garbage)


def _hold(signalled: BaseException | None, *raised: BaseException | None) -> None:
    """Have the last of these raised when the program is over. A failure of ours is only counted."""
    *_, error = raised
    theirs = [signalled, *(one for one in raised if one is not None and host.raised_by_a_handler(one))]
    if error is not None and error not in theirs:
        host.failed(error)
    if (held := theirs[-1]) is not None:
        thread, later = ctypes.c_ulong(system_thread()), ctypes.py_object(_as_a_class(held))
        schedule = ctypes.pythonapi.PyThreadState_SetAsyncExc
        _HELD.raising = iter(partial(schedule, thread, later), None)
        _HELD.stop = partial(schedule, thread, None)


def _as_a_class(error: BaseException) -> type[BaseException]:
    """Only a class can be scheduled. It is called at the moment when it is raised."""

    def raised(*_: object) -> BaseException:
        vars(_HELD).clear()
        return error

    return type("Held", (BaseException,), {"__new__": raised})
