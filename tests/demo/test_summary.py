"""What the demonstration says at its end, line by line."""

from pathlib import Path

from soltrace.demo import summary
from soltrace.demo.fit import PARAMETER_NAMES, Fit, Setting
from soltrace.demo.pass_costs import Cost


def test_the_fit():
    """The best lane of the best experiment, with units."""
    values = dict(zip(PARAMETER_NAMES, (0.5479, 0.02766, 0.02334, 0.7846, 34.55, 5.877), strict=True))
    fits = [
        Fit(Setting("adam", 0.1), (0.44, 0.22), values),
        Fit(Setting("adabelief", 0.05), (float("inf"), 0.68), {}),
    ]
    assert list(summary.fitted(fits)) == [
        "adam      learning rate 0.1   residuals of the lanes 0.44 0.22",
        "adabelief learning rate 0.05  residuals of the lanes inf 0.68",
        "",
        "Fitted by adam, lane 1: residual 0.220, so the model is typically off by a factor of 1.25",
        "  alpha     0.548 per year                      hares are born",
        "  beta     0.0277 per year and thousand lynxes  hares are eaten",
        "  delta    0.0233 per year and thousand hares   lynxes are born",
        "  gamma     0.785 per year                      lynxes die",
        "  hares      34.5 thousand                      in the first year",
        "  lynxes     5.88 thousand                      in the first year",
    ]


def test_the_cost():
    """A row per phase, in columns."""
    costs = [
        Cost("forward", passes=128, failed=1, accepted=1000, rejected=23, recomputed=0, median_s=0.0016, total_s=1.0),
        Cost("backward", passes=128, failed=0, accepted=1000, rejected=23, recomputed=9, median_s=0.1, total_s=3.0),
    ]
    assert list(summary.cost_table(costs)) == [
        "What the passes cost, read back from the log",
        "  phase         passes      failed       steps    rejected  recomputed      median      in all       share",
        "  forward          128           1       1,023          23           0      1.6 ms         1 s         25%",
        "  backward         128           0       1,023          23           9      100 ms         3 s         75%",
    ]


def test_where_to_go_next():
    """A path that a shell would take apart is quoted."""
    assert list(summary.next_steps(Path("my runs/a.jsonl"), 1)) == [
        "The log has 1 line: my runs/a.jsonl",
        "",
        "Try next",
        "  soltrace tail --no-follow --event 'experiment.*' 'my runs/a.jsonl'",
        "  soltrace tail --no-follow --json --phase backward --event pass.ended 'my runs/a.jsonl' | tail -n 1",
        "  soltrace tail    # in a second terminal, while a script of yours runs in this one",
    ]
