"""`soltrace.live`: who shows it, for how long, and what becomes of it where there is no terminal."""

import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

import soltrace
from soltrace.at_hand import live, live_drawing
from soltrace.at_hand.feed import Feed
from soltrace.at_hand.line_screen import LineScreen
from soltrace.at_hand.live_drawing import pause_s
from soltrace.at_hand.picture import Picture
from soltrace.at_hand.story import Story
from soltrace.reading.live.endings import PassTally
from soltrace.sinks.beside import ONLOOKERS, Beside

SUMMARY = """\
soltrace: 1 pass ended
+ fit  forward  ended ok in 1.24 s: 4,602 steps (17 rejected)
"""


def hand(*records):
    """As a run's worker does."""
    for record in records:
        Beside().handle(record)


def test_without_a_terminal_a_summary_is_written(log, capfd):
    """Once, when the last who asked for it leaves."""
    with soltrace.live():
        inner = soltrace.live()
        hand(log.started(0), log.progress(1, progress=0.5, step=3))
        inner.close()
        inner.close()
        assert capfd.readouterr().err == ""
        hand(log.ended(2))
    assert capfd.readouterr().err == SUMMARY
    assert ONLOOKERS.present == ()


@pytest.mark.parametrize("error", [None, KeyboardInterrupt], ids=["shutdown", "Ctrl-C"])
def test_it_ends_in_any_case(log, capfd, error):
    """With the run, or with what leaves it."""
    view = soltrace.live()
    hand(log.ended(2))
    if error is None:
        assert soltrace.shutdown()
    else:
        view.__exit__(error, error(), None)
    assert (capfd.readouterr().err, ONLOOKERS.present) == (SUMMARY, ())
    view.close()
    assert capfd.readouterr().err == ""


def test_where_nothing_runs_nothing_is_written(capfd):
    """A program that only might solve is left alone."""
    with soltrace.live():
        pass
    assert capfd.readouterr().err == ""


def test_a_line_every_few_seconds(log, capfd):
    """If there is news; no line is ever rewritten."""
    screen = LineScreen(every_s=5.0)
    screen.show(0.0)
    screen.feed([log.started(0), log.progress(10, progress=0.25, step=10)], 1.0, 0)
    for now_s in (1.0, 4.9, 5.0, 6.0, 10.0, 20.0):
        screen.show(now_s)
    first = "soltrace: 1 pass open, 0 ended; fit #1 forward 25.0 % t 25.00 10 steps"
    lines = capfd.readouterr().err.splitlines()
    assert [line.partition(" silent")[0] for line in lines] == [first] * len(lines)
    screen.feed([log.ended(11)], 21.0, 3)
    screen.show(25.0)
    screen.finish(25.0)
    said = capfd.readouterr().err
    assert said == (
        "soltrace: none open, 1 ended, 3 records lost\n"
        "soltrace: 1 pass ended, 3 records lost\n"
        "+ fit  forward  ended ok in 1.24 s: 4,602 steps (17 rejected)\n"
    )
    assert not {"\r", "\x1b"} & set(said)


def test_many_passes_of_many_threads_are_one_screen(logs):
    """Ends are added up by experiment and phase, what is open has a row, and the rest is counted."""
    story = Story()
    fit, other = logs(), logs(experiment="other")
    records = [record for i in range(100) for record in (fit.started(0, i), fit.ended(1 + i / 100, i))]
    records += [fit.ended(2, i, "backward", status="error", result="nonfinite") for i in range(2)]
    records += [other.started(2, i) for i in range(100, 109)]
    story.feed(records, 0.0)
    lines = [line.plain.rstrip("─") for line in Picture(story).frame(fit.start, 10.0, 100, 8)]
    assert lines[0] == "── soltrace: 9 passes open, 102 ended, 2 FAILED "
    counted = "100 passes ok in 2 min 04 s, 100/s, median 1.24 s, 460,200 steps (1,700 rejected)"
    assert lines[1] == f"✓ fit    forward   {counted}"
    failed = "2 passes in 2.48 s, median 1.24 s, 9,204 steps (34 rejected), FAILED: 2 nonfinite"
    assert lines[2] == f"✗ fit    backward  {failed}"
    assert [line[:23] for line in lines[3:7]] == [f"  other  forward   #{i}" for i in range(100, 104)]
    assert lines[7:] == ["  and 5 more"]


def test_what_is_not_looked_at_in_time_is_counted(log):
    """The feed is bounded, and nobody waits."""
    feed = Feed(lambda: None, at_most=3)
    for i in range(5):
        feed.take(log.started(0, i))
    assert [record.solve_id for record in feed.drain()] == ["r1.2", "r1.3", "r1.4"]
    assert (feed.drain(), feed.lost) == ([], 2)


def test_passes_that_are_over_when_they_are_looked_at_are_added_up(log):
    """If nothing has come between their starts and ends: one tally of each kind, as if each end had been told."""
    feed = Feed(lambda: None)
    told = [log.started(0, 0), log.ended(1, 0), log.started(1, 1), log.started(1, 2), log.ended(2, 1), log.ended(2, 2)]
    told += [log.started(3, 3), log.ended(4, 3, result="nonfinite", status="error")]
    for record in told:
        feed.take(record)
    tally = _tally(told[1], told[7])
    assert (feed.drain(), feed.lost) == ([tally, *told[2:6]], 0)
    for record in (told[0], told[2], told[3], told[5], told[4], *told[6:]):
        feed.take(record)
    assert (feed.drain(), feed.lost) == ([told[0], told[2], _tally(told[5], told[7]), told[4]], 0)


def _tally(*ended):
    tally = PassTally(ended[0], ended[0].timestamp, 0.0)
    for record in ended:
        tally.add(record, 0.0)
    return tally


def test_added_up_or_one_by_one_a_story_is_the_same(log):
    """Whatever the order, and however often somebody looks."""
    names = ["nonfinite", "max_steps", *"abcdef"]
    told = []
    for i, name in enumerate(names * 2):
        failed = {"result": name, "status": "error"} if i % 3 else {}
        told += [log.started(i, i), log.ended(i + 1, i, experiment=f"e{i % 2}", duration_s=i / 8, **failed)]
    told[7:9] = told[8:6:-1]
    plain, added_up, feed = Story(), Story(), Feed(lambda: None)
    for i, record in enumerate(told):
        plain.feed([record], 9.0)
        feed.take(record)
        if not i % 13:
            added_up.feed(feed.drain(), 9.0)
    added_up.feed(feed.drain(), 9.0)
    assert _whole(added_up) == _whole(plain)
    counts = [(story.totals.ended, story.totals.failed, story.began, len(story.open)) for story in (added_up, plain)]
    assert counts == [(len(names) * 2, 10, True, 0)] * 2


def _whole(story):
    """The totals, without the order of passes that ended between two looks."""
    return [
        vars(tally) | {"durations": sorted(tally.durations), "singles": len(tally.singles)}
        for tally in story.totals.tallies
    ]


def test_what_was_added_up_and_is_dropped_is_counted(log):
    """Each end."""
    feed = Feed(lambda: None, at_most=2)
    for i in range(3):
        feed.take(log.started(i, i))
        feed.take(log.ended(i, i))
    assert feed.lost == 0
    for i in range(3, 6):
        feed.take(log.started(i, i))
    assert feed.lost == 4
    feed.take(log.ended(7, 5))
    assert ([getattr(told, "count", told) for told in feed.drain()], feed.lost) == ([log.started(4, 4), 1], 4)


@pytest.mark.parametrize(
    ("period_s", "cost_s", "expected"),
    [(0.25, 0.0, 0.25), (0.25, 0.001, 0.25), (0.25, 0.002, 0.5), (0.25, 0.5, 1.0), (5.0, 0.5, 5.0)],
)
def test_pictures_that_cost_more_are_fewer(period_s, cost_s, expected):
    """They take 0.4 percent of a processor, but there is one a second, or as many as the screen wants."""
    assert pause_s(period_s, cost_s) == expected


def test_the_next_picture_waits_as_long_as_the_last_one_says(log, monkeypatch):
    """By its processor time, not by how long the terminal took."""
    paused, costs = [], iter([0.0, 0.0, 1.0, 1.001, 2.0, 2.5, 3.0])
    monkeypatch.setattr(live_drawing, "time", SimpleNamespace(thread_time=lambda: next(costs), monotonic=lambda: 0.0))
    drawing = live_drawing.Drawing(LineScreen(), lambda: None)
    wait = lambda seconds: paused.append(seconds) or (len(paused) == 3 and drawing._stop.set())
    monkeypatch.setattr(drawing._stop, "wait", wait)
    drawing._run()
    assert paused == [0.5, 0.5, 1.0]


def test_a_failure_of_the_view_is_said_once(log, capfd, caplog, monkeypatch):
    """And costs the program nothing."""
    failed = threading.Event()

    def refuse(*_):
        failed.set()
        raise ValueError("no colours left")

    monkeypatch.setattr(LineScreen, "show", refuse)
    with soltrace.live():
        assert failed.wait(10)
        hand(log.ended(2))
    assert [record.getMessage() for record in caplog.records] == [
        "soltrace: the live view is over, the solves go on: ValueError: no colours left"
    ]
    assert (capfd.readouterr().err, ONLOOKERS.present) == ("", ())


def test_where_it_cannot_begin_that_is_said(caplog, monkeypatch):
    """The program is not to fail because nobody can look at it."""
    monkeypatch.setattr(live, "suitable", lambda: 1 / 0)
    with soltrace.live():
        pass
    assert [record.getMessage() for record in caplog.records] == [
        "soltrace: there is no live view: ZeroDivisionError: division by zero"
    ]
    assert ONLOOKERS.present == ()


def test_disabled_it_shows_nothing(monkeypatch):
    """As solves, which report nothing."""
    monkeypatch.setenv("SOLTRACE_DISABLED", "true")
    with soltrace.live():
        assert ONLOOKERS.present == ()


CHILDREN = """
import multiprocessing
import soltrace
from soltrace.sinks.beside import ONLOOKERS

def look(view):
    with soltrace.live():
        print("child", len(ONLOOKERS.present), flush=True)
    view.close()

if __name__ == "__main__":
    view = soltrace.live()
    child = multiprocessing.get_context("fork").Process(target=look, args=(view,))
    child.start()
    child.join()
    print("parent", len(ONLOOKERS.present), flush=True)
"""


def test_children_show_nothing(tmp_path):
    """The terminal is the parent's, whose view goes on."""
    program = tmp_path / "program.py"
    program.write_text(CHILDREN)
    command = [sys.executable, "-W", "ignore::DeprecationWarning", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("child 0\nparent 1\n", "")
