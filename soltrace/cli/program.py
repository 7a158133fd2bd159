"""Runs a program in this process as Python would, with its arguments, its path, its exit status and its tracebacks.

On the main thread. `module` and `script` prepare the program, and return what runs it; what it raises is raised.
"""

import builtins
import importlib.util
import os
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any

# Not `runpy`: it takes one name for the file of a script and for `sys.argv[0]`, where Python has two; and it takes the
# program's `__main__` away again when the program has ended, but for what is called at exit.


def script(path: str, *arguments: str) -> Callable[[], None]:
    """Prepare `python PATH ARGUMENT...`.

    Raises:
        OSError: The file cannot be read.
    """
    file = os.path.abspath(path)  # noqa: PTH100 - as Python makes it: `..` stays what it is in pathlib
    source = Path(file).read_bytes()
    _pretend([path, *arguments], str(Path(file).resolve().parent))
    loader = SourceFileLoader("__main__", file)
    return _execution(lambda: compile(source, file, "exec", dont_inherit=True), __file__=file, __loader__=loader)


def module(name: str, *arguments: str) -> Callable[[], None]:
    """Prepare `python -m NAME ARGUMENT...`.

    Raises:
        ImportError: There is no such module.
    """
    _pretend(["-m", *arguments], str(Path.cwd()))
    spec = _spec(name)
    loader: Any = spec.loader
    sys.argv[0] = str(spec.origin)
    return _execution(
        lambda: loader.get_code(spec.name),
        __file__=spec.origin,
        __loader__=loader,
        __spec__=spec,
        __package__=spec.parent,
        __cached__=spec.cached,
    )


def _spec(name: str) -> ModuleSpec:
    """Find a module, or what stands for a package."""
    spec = importlib.util.find_spec(name)
    if spec is not None and spec.submodule_search_locations is not None:
        return _spec(f"{name}.__main__")
    if spec is None or not hasattr(spec.loader, "get_code"):
        raise ImportError(f"No module named {name}")
    return spec


def _pretend(argv: list[str], directory: str) -> None:
    sys.argv[:] = argv
    if not sys.flags.safe_path:
        sys.path[0] = directory


def _execution(compiled: Callable[[], CodeType], **names: object) -> Callable[[], None]:
    """Make the module `__main__`, with what Python gives it, and a function that executes it."""
    main = ModuleType("__main__")
    vars(main).update({"__builtins__": builtins, "__cached__": None} | names)

    def execute() -> None:
        sys.modules["__main__"] = main
        try:
            exec(compiled(), vars(main))  # noqa: S102 - it is what was asked for
        except BaseException:
            _show_only_the_programs_frames()
            raise

    return execute


def _show_only_the_programs_frames() -> None:
    """Have the traceback that Python may be about to print begin where the program does."""
    # Not printed here: Python also does the rest that it does, whatever it is that was raised.
    hook = sys.excepthook

    def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        trace = _of_the_program(trace)
        hook(kind, error.with_traceback(trace), trace)

    sys.excepthook = show


def _of_the_program(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and trace.tb_frame.f_code.co_filename != __file__:
        trace = trace.tb_next
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith((__file__, "<frozen importlib")):
        trace = trace.tb_next
    return trace
