"""`soltrace explain`: says why passes ended as they did, or took so long, and what to try."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from soltrace.cli.log_files import files, unfit
from soltrace.cli.streams import complain
from soltrace.wire.log_names import DEFAULT_DIRECTORY, DIRECTORY_VARIABLE, default_directory

if TYPE_CHECKING:
    from soltrace.reading.explaining import Explained, Explainer
    from soltrace.reading.parse import Parsed
    from soltrace.reading.problems import Problems

MOST_ALIKE: Final = 3
"""Passes of one experiment with the same verdicts that are shown one by one; the others are counted."""
_USAGE_ERROR: Final = 2

_DESCRIPTION: Final = """\
Say why passes ended as they did, or took so long, and what to try: in plain words, with the numbers that it follows
from. Without PASS: of every pass with which something is wrong, and of runs that compile again and again. Where the
evidence leaves a doubt, nothing is said; detail="steps" and watch="nonfinite" leave more of it in the log."""
_EPILOG: Final = """\
examples:
  soltrace explain                              what is wrong in soltrace-runs/
  soltrace explain run.jsonl "#2"               the solve that the live view and the report call #2
  soltrace explain runs 3.backward              one pass of it
  soltrace explain --json | jq -r '.verdicts[0].kind' | sort | uniq -c

exit status: 0, 2 if there is nothing to read or no such pass"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `soltrace explain` takes."""
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    parser.add_argument(
        "arguments",
        nargs="*",
        metavar="PATH or PASS",
        help=f"log files, directories of them, or patterns (default: ${DIRECTORY_VARIABLE}, or {DEFAULT_DIRECTORY}/), "
        "and one pass: #2, 2.backward, or its id",
    )
    parser.add_argument("--json", action="store_true", help="an object of JSON for each pass or run, one a line")


def run(args: argparse.Namespace) -> int:
    """Do what `soltrace explain` does."""
    passes = [argument for argument in args.arguments if _is_pass(argument)]
    paths = [Path(argument) for argument in args.arguments if not _is_pass(argument)]
    if len(passes) > 1:
        return _complain(f"expected one pass, got {len(passes)}: {', '.join(passes)}")
    if problem := unfit(paths):
        return _complain(problem)
    # Here and not above: `--help` does without.
    from soltrace.reading.explaining import Explainer
    from soltrace.reading.problems import Problems

    explainer, problems = Explainer(wanted=passes[0] if passes else ""), Problems()
    explained = explainer.explain(_read(files(paths, _say), problems))
    if args.json:
        _print_json(explained)
    else:
        _print_text(explained, explainer)
    if summary := problems.summary():
        _say(summary)
    if passes and not explainer.passes:
        return _complain(f"there is no pass {passes[0]} that has ended in {_named(paths)}")
    return 0


def _is_pass(argument: str) -> bool:
    from soltrace.reading.explaining import PASS_PATTERN

    return not Path(argument).exists() and PASS_PATTERN.fullmatch(argument) is not None


def _named(paths: Sequence[Path]) -> str:
    return ", ".join(str(path) for path in paths or [default_directory()])


def _read(paths: Sequence[Path], problems: "Problems") -> "Iterator[Parsed]":
    from itertools import chain

    from soltrace.reading.files.follow import Follower
    from soltrace.reading.parse import Rejected, Unknown

    follower = Follower(paths, _say)
    for entry in chain(follower.poll(every=True), follower.rest()):
        if isinstance(entry.value, Rejected | Unknown):
            problems.add(entry.value.reason, f"{entry.path}:{entry.number}")
        yield entry.value


def _print_json(explained: "Iterator[Explained]") -> None:
    import msgspec

    from soltrace.reading.explaining import as_json
    from soltrace.reading.text import printable_json

    on_terminal = sys.stdout.isatty()
    for each in explained:
        line = msgspec.json.encode(as_json(each)).decode()
        sys.stdout.write((printable_json(line) if on_terminal else line) + "\n")


def _print_text(explained: "Iterator[Explained]", explainer: "Explainer") -> None:
    from soltrace.reading.explaining import as_text
    from soltrace.reading.text import plural

    alike: Counter[tuple[str | None, ...]] = Counter()
    for each in explained:
        key = _key(each)
        alike[key] += 1
        if alike[key] <= MOST_ALIKE:
            print("\n".join(as_text(each)), end="\n\n")
    for (experiment, phase, *kinds), count in alike.items():
        if count > MOST_ALIKE:
            where = f" in {experiment}" if experiment else ""
            print(f"and {count - MOST_ALIKE:,} more {phase} passes{where} like these: {', '.join(filter(None, kinds))}")
    troubled = alike.total()
    wrong = "nothing is wrong with any" if not troubled else f"with {troubled:,} something is wrong"
    if not explainer.wanted:
        print(f"{plural(explainer.passes, 'pass')} ended, {explainer.failed:,} of them failed: {wrong}.")


def _key(explained: "Explained") -> tuple[str | None, ...]:
    evidence = explained.evidence
    kinds = [finding.kind for finding in explained.found]
    if evidence is None:
        return (explained.run_id, "", *kinds)
    return (evidence.ended.experiment, evidence.ended.phase, *kinds)


def _complain(message: str) -> int:
    _say(message)
    return _USAGE_ERROR


def _say(message: str) -> None:
    complain("explain", message)
