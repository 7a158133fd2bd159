"""Runs a program in this process as Python would, with its arguments, its path, its exit status and its tracebacks.

On the main thread. `prepared` prepares the program, and returns what runs it; what it raises is raised.
"""

import builtins
import importlib.util
import linecache
import marshal
import os
import pkgutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from importlib.machinery import BuiltinImporter, ModuleSpec, SourceFileLoader, SourcelessFileLoader
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any, Final, TypeAlias

# Not `runpy`: it takes one name for the file of a script and for `sys.argv[0]`, where Python has two; and it takes the
# program's `__main__` away again when the program has ended, but for what is called at exit.


Prepared: TypeAlias = Callable[[], None]
"""What runs a program that has been prepared. It raises what the program raises."""
_STRING: Final = "<string>"
_STDIN: Final = "<stdin>"
_PYC_HEADER: Final = 16
"""Bytes in front of the code: the magic number, flags, and what the source was like."""


def prepared(target: Sequence[str]) -> Prepared:
    """Prepare what follows `python` on a command line, options of Python's own left out.

    Args:
        target: `-m MODULE`, `-c CODE`, `-` for what stdin holds, or a path: of a file, or of a directory or archive
            with a `__main__.py` in it. What follows is the program's.

    Raises:
        OSError: The file cannot be read.
        ImportError: There is no such module.
    """
    name, *arguments = target
    match name:
        case "-m":
            return module(*arguments)
        case "-c":
            return code(*arguments)
        case "-":
            return stdin(*arguments)
        case _:
            return script(name, *arguments)


def script(path: str, *arguments: str) -> Prepared:
    """Prepare `python PATH ARGUMENT...`."""
    file = os.path.abspath(path)  # noqa: PTH100 - as Python makes it: `..` stays what it is in pathlib
    if (importer := pkgutil.get_importer(file)) is not None:
        return _archive(path, file, importer, arguments)
    source = Path(file).read_bytes()
    _pretend([path, *arguments], str(Path(file).resolve().parent))
    if file.endswith(".pyc") or source.startswith(MAGIC_NUMBER[:2]):
        loader = SourcelessFileLoader("__main__", file)
        return _execution(lambda: _unpacked(source), __file__=file, __cached__=None, __loader__=loader)
    loader = SourceFileLoader("__main__", file)
    return _execution(lambda: _compiled(source, file), __file__=file, __cached__=None, __loader__=loader)


def _archive(path: str, file: str, importer: Any, arguments: Sequence[str]) -> Prepared:
    """Prepare a directory or a zip file: its `__main__` is run, and its modules are found first."""
    try:
        spec = importer.find_spec("__main__")  # a zip file's compiles it already
    except SyntaxError:
        _show_only_the_programs_frames()
        raise
    if spec is None:
        raise ImportError(f"can't find '__main__' module in {file!r}")
    if sys.flags.safe_path:
        sys.path.insert(0, "")  # nobody's so far
    _pretend([path, *arguments], file, whatever=True)
    return _of_spec(spec)


def code(text: str, *arguments: str) -> Prepared:
    """Prepare `python -c TEXT ARGUMENT...`."""
    _pretend(["-c", *arguments], "")
    if sys.version_info >= (3, 14):
        text = textwrap.dedent(text)
    if sys.version_info >= (3, 13):  # which shows the lines in tracebacks
        linecache.cache[_STRING] = (len(text), None, text.splitlines(keepends=True), _STRING)
    return _execution(lambda: _compiled(text, _STRING), __loader__=BuiltinImporter)


def stdin(*arguments: str) -> Prepared:
    """Prepare `python - ARGUMENT...`, also of a terminal: read to its end, it is run as a whole."""
    source = sys.stdin.buffer.read()
    _pretend(["-", *arguments], "")
    return _execution(lambda: _compiled(source, _STDIN), __file__=_STDIN, __cached__=None, __loader__=BuiltinImporter)


def module(name: str, *arguments: str) -> Prepared:
    """Prepare `python -m NAME ARGUMENT...`."""
    _pretend(["-m", *arguments], str(Path.cwd()))
    spec = _spec(name)
    sys.argv[0] = str(spec.origin)
    return _of_spec(spec)


def _of_spec(spec: ModuleSpec) -> Prepared:
    loader: Any = spec.loader
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


def _pretend(argv: list[str], directory: str, *, whatever: bool = False) -> None:
    """Set the arguments, and the first place where modules are looked for; the latter unless a safe path is wanted."""
    sys.argv[:] = argv
    if whatever or not sys.flags.safe_path:
        sys.path[0] = directory


def _compiled(source: str | bytes, file: str) -> CodeType:
    return compile(source, file, "exec", dont_inherit=True)


def _unpacked(bytecode: bytes) -> CodeType:
    if not bytecode.startswith(MAGIC_NUMBER):
        raise RuntimeError("Bad magic number in .pyc file")
    return marshal.loads(bytecode[_PYC_HEADER:])  # noqa: S302 - it is what was asked for


def _execution(compiled: Callable[[], CodeType], **names: object) -> Prepared:
    """Make the module `__main__`, with what Python gives it, and a function that executes it."""
    main = ModuleType("__main__")
    vars(main).update({"__builtins__": builtins} | names)

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
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith((__file__, "<frozen ")):
        trace = trace.tb_next
    return trace
