"""The views that questions in SQL are asked of: their names, and what each column holds.

They are stable: a column may be added, and none changes its meaning or goes without a line in the changelog. The SQL is
in `sql/views.sql`; `tests/report/test_question.py` holds both against each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from soltrace.report.ask import read_sql

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True)
class ViewColumn:
    """A column of a view."""

    name: str
    type: str
    """By DuckDB's names."""
    unit: str
    """Empty where it has none."""
    means: str


@dataclass(frozen=True)
class LogView:
    """A view: what its rows are, and its columns in their order."""

    rows: str
    columns: tuple[ViewColumn, ...]


_TEXT, _INT, _FLOAT, _BOOL, _TIME = "VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN", "TIMESTAMP WITH TIME ZONE"
_LANE_TYPE = "BIGINT[]"
_column = ViewColumn
_RUN: Final = _column("run_id", _TEXT, "", "the run: its log file is called so, without the ending")
_SOLVE: Final = _column("solve_id", _TEXT, "", "the solve, which its forward and its backward passes share")
_PASS: Final = _column("pass_id", _TEXT, "", "the pass, unique among all runs")
_EXPERIMENT: Final = _column("experiment", _TEXT, "", "names of the open experiments, joined by `/`; NULL outside any")
_PHASE: Final = _column("phase", _TEXT, "", "`forward` or `backward`")
_RESULT: Final = _column(
    "result",
    _TEXT,
    "",
    "the name of its `diffrax.RESULTS` member; `abandoned` or `interrupted` where the end never came",
)
_LANE: Final = _column(
    "batch_index", _LANE_TYPE, "", "the lane, by its index in each enclosing vmap; NULL of a pass as a whole"
)
_IDS: Final = (_RUN, _SOLVE, _PASS, _EXPERIMENT, _PHASE)
_PROGRESS: Final = _column("progress", _FLOAT, "1", "how far it is, in [0, 1]; of a batch, its slowest lane")
_STEP: Final = _column("step", _INT, "steps", "attempted so far; in a backward pass, transposed so far")
_ACCEPTED: Final = _column("accepted", _INT, "steps", "of these, accepted; of a batch, the sum over its lanes")
_REJECTED: Final = _column("rejected", _INT, "steps", "of these, rejected and tried again; likewise")
_RECOMPUTED: Final = _column(
    "recomputed", _INT, "steps", "forward steps that a backward pass evaluated again; NULL of a forward one"
)
_COUNTS: Final = (_ACCEPTED, _REJECTED, _RECOMPUTED)
_T: Final = _column("t", _FLOAT, "solver time", "where it is; NaN and infinities too")
_T0: Final = _column("t0", _FLOAT, "solver time", "where the integration starts; NULL where lanes differ")
_T1: Final = _column("t1", _FLOAT, "solver time", "where it is to end; NULL where lanes differ")
_STATUS: Final = (
    "`ok`, `error`, `open`, `lost` if its run has stopped without a word, or `replaced` if a retry of its job has begun"
)
_ATTRIBUTES: Final = "`attributes->>'lr'` is one as text, `(attributes->>'lr')::DOUBLE` as a number"

LOG_VIEWS: Final[Mapping[str, LogView]] = {
    "passes": LogView(
        "One row for each pass, the forward or the backward half of a solve, made of its start and its end.",
        (
            *_IDS,
            _column("status", _TEXT, "", _STATUS),
            _RESULT,
            _column("started", _TIME, "UTC", "when it began"),
            _column("ended", _TIME, "UTC", "when it ended; NULL if it never did, as far as the log goes"),
            _column("duration_s", _FLOAT, "s", "from its start to its end; NULL likewise"),
            _column("seen", _TIME, "UTC", "the last that was heard of it"),
            _column("took_s", _FLOAT, "s", "from its start to its end, or to `seen` where it never ended"),
            _PROGRESS,
            _STEP,
            *(
                _column(count.name, count.type, count.unit, f"{count.means}; NULL before its end")
                for count in (_ACCEPTED, _REJECTED)
            ),
            _RECOMPUTED,
            _T,
            _T0,
            _T1,
            _column("solver", _TEXT, "", "the solver's class; NULL, as what follows, where the log lacks the start"),
            _column("adjoint", _TEXT, "", "the adjoint's class"),
            _column("controller", _TEXT, "", "the step size controller's class"),
            _column("rtol", _FLOAT, "1", "relative tolerance; NULL of a controller that has none"),
            _column("atol", _FLOAT, "the state's", "absolute tolerance; likewise"),
            _column("max_steps", _INT, "steps", "the most that the solver may attempt; NULL without a limit"),
            _column("batch_shape", _LANE_TYPE, "", "sizes of the enclosing vmaps, outermost first; empty for none"),
            _column("lanes", _INT, "lanes", "of a batch; NULL of a single solve"),
            _column("failed_lanes", _INT, "lanes", "those that ended with an error; NULL before the end"),
            _column("stalled", _BOOL, "", "whether the last that was heard of an open pass is that it has stalled"),
            _column("forward_pass_id", _TEXT, "", "of a backward pass: the `pass_id` of its forward pass"),
            _column("attributes", "JSON", "", f"the experiment's and the solve's: {_ATTRIBUTES}"),
            _column("dtype", _TEXT, "", "the type of the state's numbers; NULL of a backward pass"),
            _column("verdict", _TEXT, "", "what is wrong with it, as one word; NULL of a pass that is in order"),
        ),
    ),
    "runs": LogView(
        "One row for each run: what one process has recorded.",
        (
            _RUN,
            _column(
                "status",
                _TEXT,
                "",
                "`ok`, `error` if something of it or it itself failed, `open`, `lost` or `replaced`",
            ),
            _column("lost_because", _TEXT, "", "of one that is lost: what the scheduler or the machine says of it"),
            _column("started", _TIME, "UTC", "its first line"),
            _column("seen", _TIME, "UTC", "its last line"),
            _column("host", _TEXT, "", "where it lives"),
            _column("pid", _TEXT, "", "its process"),
            _column("process_index", _TEXT, "", "which of the processes of one jax program; NULL of one alone"),
            _column(
                "scheduler",
                _TEXT,
                "",
                "`slurm`, `pbs`, `lsf`, `sge`, `condor`, `flux`, `oar`, `awsbatch`, `kubernetes`, `mpirun`; NULL, as "
                "what follows, without any",
            ),
            _column("job", _TEXT, "", "the scheduler's number or name of the job; of an array, that of the array"),
            _column("array_task", _TEXT, "", "the task of an array"),
            _column("rank", _TEXT, "", "the rank within the job"),
            _column("restart", _TEXT, "", "how often the job had been run again before"),
            _column("passes", _INT, "passes", "in it"),
            _column("failed", _INT, "passes", "of these, those with the status `error`"),
            _column("open", _INT, "passes", "of these, those that never ended, as far as the log goes"),
            _column("resource", "JSON", "", "all that its first line says of it"),
        ),
    ),
    "lanes": LogView(
        "One row for each lane of a batch that has ended, or that was heard of.",
        (
            *_IDS,
            _column("batch_index", _LANE_TYPE, "", "the lane, by its index in each enclosing vmap, outermost first"),
            _column("status", _TEXT, "", "as of its pass; NULL where the end of it alone is not recorded"),
            _RESULT,
            _column("ended", _TIME, "UTC", "when it ended; NULL if it never did, as far as the log goes"),
            _column("seen", _TIME, "UTC", "the last that was heard of it"),
            _column("elapsed_s", _FLOAT, "s", "from the start of its pass to `seen`"),
            _column("progress", _FLOAT, "1", "how far it is, in [0, 1]"),
            _STEP,
            _column("accepted", _INT, "steps", "of these, accepted"),
            _column("rejected", _INT, "steps", "of these, rejected and tried again"),
            _RECOMPUTED,
            _T,
            _column("t0", _FLOAT, "solver time", "where it starts"),
            _column("t1", _FLOAT, "solver time", "where it is to end"),
        ),
    ),
    "progress": LogView(
        "One row for each line that says how far a pass or a lane is: its start, each report, and its end.",
        (
            _column("timestamp", _TIME, "UTC", "when it was so"),
            _column(
                "event",
                _TEXT,
                "",
                "`pass.started`, `pass.progress`, `pass.heartbeat`, `lane.ended` or `pass.ended`",
            ),
            *_IDS,
            _LANE,
            _column("elapsed_s", _FLOAT, "s", "since the start of the pass; NULL where the log lacks it"),
            _PROGRESS,
            _STEP,
            *(_column(count.name, count.type, count.unit, f"{count.means}; NULL if not told") for count in _COUNTS),
            _T,
            _column("stalled", _BOOL, "", "of a heartbeat: whether it has been silent for longer than usual"),
            _column("finished_lanes", _INT, "lanes", "of a batch as a whole: those that have ended, well or not"),
            _column("failed_lanes", _INT, "lanes", "of a batch as a whole: those that have ended with an error"),
        ),
    ),
    "experiments": LogView(
        "One row for each time that an experiment was entered, with the passes directly in it.",
        (
            _RUN,
            _column("experiment", _TEXT, "", "its name, after those of the experiments around it, joined by `/`"),
            _column("status", _TEXT, "", _STATUS),
            _column("error", _TEXT, "", "type and message of the exception that left it"),
            _column("started", _TIME, "UTC", "when it was entered"),
            _column("ended", _TIME, "UTC", "when it was left; NULL if it never was, as far as the log goes"),
            _column("duration_s", _FLOAT, "s", "from one to the other"),
            _column("passes", _INT, "passes", "directly in it, and not in experiments inside it"),
            _column("failed", _INT, "passes", "of these, those with the status `error`"),
            _column("forward_s", _FLOAT, "s", "the sum over its forward passes that have ended"),
            _column("backward_s", _FLOAT, "s", "the sum over its backward passes that have ended"),
            _column("attributes", "JSON", "", f"its own: {_ATTRIBUTES}"),
        ),
    ),
    "steps": LogView(
        "One row for each piece between two reports of a pass or lane: the step size there. With a report at every "
        "step, a row is one step. A batch has rows for its lanes, as far as they report, and none as a whole.",
        (
            _column("timestamp", _TIME, "UTC", "the end of the piece, which begins where the one before ends"),
            *_IDS,
            _LANE,
            _column("elapsed_s", _FLOAT, "s", "since the start of the pass"),
            _column("step", _INT, "steps", "accepted so far, at the end of the piece; in a backward pass, transposed"),
            _column("t", _FLOAT, "solver time", "at the end of the piece"),
            _column("accepted", _INT, "steps", "in the piece"),
            _column("rejected", _INT, "steps", "in the piece; NULL if not told"),
            _column("dt", _FLOAT, "solver time", "the mean size of these accepted steps; never negative"),
            _column("rate", _FLOAT, "steps/s", "accepted steps per second in the piece"),
        ),
    ),
    "attempts": LogView(
        'One row for each attempted step, where steps are recorded one by one: with `detail="steps"`, or of lanes that '
        'failed the last ones with `detail="failures"`.',
        (
            *_IDS,
            _column("batch_index", _LANE_TYPE, "", "the lane; NULL of a single solve"),
            _column("step", _INT, "", "which attempt of its lane it is, from 1"),
            _column("t", _FLOAT, "solver time", "where it begins"),
            _column("dt", _FLOAT, "solver time", "how far it goes: negative where the solve runs backwards in time"),
            _column("accepted", _BOOL, "", "whether the step size controller accepted it"),
            _column("reason", _TEXT, "", "why it was rejected, or what else there is to say; NULL where nothing is"),
            _column("scaled_error", _FLOAT, "1", "the error estimate over the tolerance; NULL where it is not told"),
            _column("error_in", _TEXT, "", "which number of the state errs most, such as `y['membrane'][3]`"),
            _column("error_share", _FLOAT, "1", "its share in the sum of the squared errors, in [0, 1]"),
        ),
    ),
    "nonfinite": LogView(
        'One row for each lane, or single solve, with `watch="nonfinite"`: the first value that was not finite.',
        (
            _column("timestamp", _TIME, "UTC", "when it was told"),
            *_IDS,
            _column("batch_index", _LANE_TYPE, "", "the lane; NULL of a single solve"),
            _column("step", _INT, "", "in which attempt of its lane, from 1"),
            _column("t", _FLOAT, "solver time", "where that step begins"),
            _column("dt", _FLOAT, "solver time", "how far it goes"),
            _column("found_in", _TEXT, "", "`vector field` or what else it was found in"),
            _column("stage", _INT, "", "of the vector field: in which stage of the step, from 1"),
            _column("path", _TEXT, "", "where in the pytree, such as `y['membrane'][3]`"),
            _column("value", _FLOAT, "", "what it is: NaN or an infinity"),
            _column("before", _FLOAT, "", "what was in this place of the state when the step began; NULL if not told"),
        ),
    ),
    "exploded": LogView(
        'One row for each backward pass whose gradient exploded, with `watch="nonfinite"`: where, and how large.',
        (
            _column("timestamp", _TIME, "UTC", "when the pass ended"),
            *_IDS,
            _column("batch_index", _LANE_TYPE, "", "the lane in which it grew most; NULL of a single solve"),
            _column("lanes", _INT, "", "in how many lanes it exploded; NULL of a single solve"),
            _column("step", _INT, "", "when this attempt of its lane, from 1, was transposed; NULL if not told"),
            _column("t", _FLOAT, "solver time", "where that step begins; NULL likewise"),
            _column("dt", _FLOAT, "solver time", "how far it goes; NULL likewise"),
            _column("path", _TEXT, "", "where in the pytree, such as `y['membrane'][3]`"),
            _column("value", _FLOAT, "", "how large the cotangent of that was there"),
            _column("primal", _FLOAT, "", "the number that it is the cotangent of"),
            _column("arrived", _FLOAT, "", "the largest cotangent where the pass begins"),
            _column("largest", _FLOAT, "", "the largest cotangent of the state in the whole pass"),
        ),
    ),
}
"""All of them, by their names."""


def create_views(connection: "DuckDBPyConnection") -> None:
    """Create the views in a database that holds logs, and have their names mean them and not the report's tables."""
    connection.execute(read_sql("views"))
    connection.execute("SET search_path = 'documented'")
