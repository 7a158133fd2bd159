import threading
from contextvars import ContextVar, copy_context

from soltrace.wire.start_thread import on_own_thread, start_thread

WHOSE = ContextVar("WHOSE", default="nobody's")


def test_a_thread_of_ours_is_in_no_context_of_the_programs(monkeypatch):
    """It serves all experiments, and was started in one. From Python 3.14 on threads may inherit that one's context."""
    inherited, run = copy_context(), threading.Thread.run
    inherited.run(WHOSE.set, "the program's")
    monkeypatch.setattr(threading.Thread, "run", lambda thread: inherited.run(run, thread))
    seen = []
    theirs = threading.Thread(target=lambda: seen.append((WHOSE.get(), on_own_thread())))
    theirs.start()
    theirs.join()
    start_thread(lambda: seen.append((WHOSE.get(), on_own_thread())), "soltrace-test").join()
    assert seen == [("the program's", False), ("nobody's", True)]
