import csv
import io

from soltrace.reading.csv_lines import COLUMNS, CsvView
from soltrace.reading.files.follow import Follower
from soltrace.wire.record_parts import Steps

HEADER = (
    "timestamp,level,event,schema,run_id,experiment,attributes,process_index,trace_id,span_id,resource,"
    "parent_span_id,continues,part,status,duration_s,error,function,trace_s,lower_s,compile_s,arguments,solve_id,"
    "pass_id,phase,solver,adjoint,controller,rtol,atol,t0,t1,max_steps,dtype,batch_shape,forward_pass_id,step,"
    "progress,t,steps.accepted,steps.rejected,steps.recomputed,batch_index,lanes.total,lanes.finished,lanes.failed,"
    "lanes.progress_min,lanes.progress_median,lanes.progress_max,watched,attempts.step,attempts.t,attempts.dt,"
    "attempts.accepted,attempts.reason,attempts.scaled_error,attempts.error_in,attempts.error_share,"
    "attempts.batch_index,nonfinite.step,nonfinite.t,"
    "nonfinite.dt,nonfinite.found_in,nonfinite.stage,nonfinite.path,nonfinite.value,nonfinite.before,nonfinite.primal,"
    "open_s,silent_s,"
    "stalled,rate,eta_s,doing,usage.memory_bytes,usage.cpu_utilization,usage.device_memory_bytes,"
    "usage.device_memory_limit_bytes,usage.device_utilization,result,verdict.kind,verdict.text,verdict.advice,"
    "exploded.batch_index,exploded.lanes,exploded.step,exploded.t,exploded.dt,exploded.path,exploded.value,"
    "exploded.primal,exploded.arrived,exploded.largest,"
    "dropped,what,reason"
)


def rows(tmp_path, records, *, terminal: bool = False) -> list[dict[str, str]]:
    """The cells that are not empty of each row."""
    (tmp_path / "run.jsonl").write_bytes(b"".join(records))
    out = io.StringIO()
    view = CsvView(out.write, terminal=terminal)
    assert out.getvalue() == HEADER + "\n"
    view.feed(Follower([tmp_path], print).poll())
    return [
        {key: value for key, value in row.items() if value != ""} for row in csv.DictReader(io.StringIO(out.getvalue()))
    ]


def test_the_header_is_that_of_all_records():
    """Whatever comes: a program may rely on the columns of a version."""
    assert ",".join(COLUMNS) == HEADER


def test_one_row_a_record(tmp_path, logs):
    """What is nested is flattened, what has names of its own stays JSON, what is no record has no row."""
    log = logs(experiment="fit", seed=3, name='a "b", c')
    progress = log.progress(
        0, progress=0.5, step=3, steps=Steps(accepted=2, rejected=1), lanes=log.lanes(6, 1), batch_index=[0, 2]
    )
    common = {
        "timestamp": "2026-11-25T03:24:29.123456Z",
        "level": "info",
        "schema": "1",
        "run_id": "r1",
        "experiment": "fit",
        "attributes": '{"seed":3,"name":"a \\"b\\", c"}',
        "solve_id": "r1.1",
        "pass_id": "r1.1.forward",
        "phase": "forward",
    }
    records = [log.line(progress), b"damage\n", log.line(log.heartbeat(0, stalled=True))]

    assert rows(tmp_path, records) == [
        common
        | {
            "event": "pass.progress",
            "step": "3",
            "progress": "0.5",
            "t": "50.0",
            "steps.accepted": "2",
            "steps.rejected": "1",
            "batch_index": "[0,2]",
            "lanes.total": "6",
            "lanes.finished": "1",
            "lanes.failed": "0",
            "lanes.progress_min": "0.1",
            "lanes.progress_median": "0.5",
            "lanes.progress_max": "1.0",
        },
        common
        | {
            "event": "pass.heartbeat",
            "open_s": "12.0",
            "silent_s": "2.0",
            "stalled": "true",
            "step": "50",
            "progress": "0.25",
            "t": "25.0",
            "rate": "0.02",
            "eta_s": "36.0",
        },
    ]


def test_a_terminal_gets_escapes(tmp_path, logs):
    """What a terminal would obey never reaches it; a file gets the value as it is."""
    log = logs(experiment="\x1b[2J\u202e")

    [shown] = rows(tmp_path, [log.line(log.experiment_started(0))], terminal=True)
    [kept] = rows(tmp_path, [log.line(log.experiment_started(0))])

    assert (shown["experiment"], kept["experiment"]) == ("\\u001b[2J\\u202e", "\x1b[2J\u202e")
