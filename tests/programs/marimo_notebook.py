"""A marimo notebook whose cells show the live view; records are handed over as a run does, without one."""

import marimo

app = marimo.App()


@app.cell
def _():
    import time
    from datetime import UTC, datetime

    import soltrace
    from soltrace.sinks.beside import Beside
    from soltrace.wire.records import PassEnded

    def end(status, result):
        Beside().handle(
            PassEnded(
                timestamp=datetime.now(UTC),
                run_id="r1",
                experiment="fit",
                attributes={},
                solve_id="r1.1",
                pass_id="r1.1.forward",
                phase="forward",
                status=status,
                result=result,
                duration_s=1.5,
                progress=1.0,
                step=7,
            )
        )

    return end, soltrace, time


@app.cell
def _(end, soltrace, time):
    with soltrace.live():
        end("ok", "successful")
        time.sleep(1.2)  # it is drawn meanwhile
        end("ok", "successful")


@app.cell
def _(end, soltrace):
    with soltrace.live():
        end("error", "nonfinite")


if __name__ == "__main__":
    app.run()
