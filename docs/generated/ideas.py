"""The pictures of `how-it-works.md`: `python -m docs.generated.ideas` draws them into `docs/pictures/`."""

from pathlib import Path
from typing import Final

from .drawing import BLUE, FAINT, GREEN, GREY, VIOLET, Canvas

PICTURES: Final = Path(__file__).parents[1] / "pictures"


def door() -> str:
    """One call for a whole batch, and its answer."""
    canvas = Canvas(760, 250, "The door: one host call for a whole batch of lanes, and the host's answer back")
    canvas.box(20, 40, 440, 190, fill=BLUE)
    canvas.text(40, 64, "the compiled program, under `vmap`", bold=True)
    for lane in range(3):
        y = 82 + lane * 46
        canvas.box(40, y, 150, 36, [f"lane {lane}:  step, t"], fill="white")
        canvas.arrow((190, y + 18), (262, 146))
    canvas.box(266, 122, 90, 48, ["`emit`"], fill="white")
    canvas.arrow((356, 138), (556, 138))
    canvas.text(508, 128, "`step[3]`, `t[3]`", anchor="middle")
    canvas.arrow((556, 158), (356, 158))
    canvas.text(508, 178, "one answer", anchor="middle")
    canvas.arrow((311, 170), (311, 206), (440, 206), dashed=True)
    canvas.text(444, 224, "the loop carries the answer on", anchor="end", colour=FAINT)
    canvas.box(560, 96, 180, 104, fill=GREEN)
    canvas.text(580, 120, "the host", bold=True)
    canvas.text(580, 144, "numpy, a queue,")
    canvas.text(580, 161, "and back")
    return canvas.svg()


def pacing() -> str:
    """The host answers each call with the step at which it wants the next."""
    canvas = Canvas(760, 230, "Pacing: the host answers each report with the step at which it wants the next one")
    canvas.box(20, 20, 720, 50, fill=GREEN)
    canvas.text(40, 50, "the host", bold=True)
    canvas.box(20, 150, 720, 60, fill=BLUE)
    canvas.text(40, 196, "the solver's steps", bold=True)
    place = lambda step: 60 + step * 11.2
    for step in range(1, 60):
        canvas.line((place(step), 160), (place(step), 172))
    for step, wanted in [(1, 9), (9, 34), (34, 58)]:
        canvas.arrow((place(step), 158), (place(step), 74))
        canvas.text(place(step) + 7, 144, f"step {step}")
        canvas.curve((place(step) + 14, 72), (place(wanted) - 6, 156), 40, dashed=True)
        canvas.text(place(step) + 26, 90, f"next: {wanted}", colour=FAINT)
    return canvas.svg()


def chunks() -> str:
    """The loop as it is traced, and as it is compiled."""
    canvas = Canvas(760, 290, "Chunks: a loop with a gate is compiled as two nested loops without one")
    canvas.text(30, 34, "as it is traced, and differentiated", bold=True)
    canvas.box(30, 48, 300, 210, fill=GREY)
    canvas.text(48, 74, "`while not done:`")
    canvas.box(66, 90, 240, 50, ["a step of the solver"], fill=BLUE)
    canvas.box(66, 156, 240, 82, ["the gate", "`if step >= wanted:`", "`wanted = emit(...)`"], fill=GREEN)
    canvas.arrow((186, 140), (186, 154))
    canvas.arrow((346, 152), (414, 152))
    canvas.text(380, 142, "compiled", anchor="middle", size=12)
    canvas.text(430, 34, "as it runs, where nobody differentiates", bold=True)
    canvas.box(430, 48, 300, 210, fill=GREY)
    canvas.text(448, 74, "`while not done:`")
    canvas.box(466, 88, 240, 96, fill="white")
    canvas.text(480, 112, "`while not done and step < wanted:`", size=12)
    canvas.box(490, 126, 192, 44, ["a step of the solver"], fill=BLUE)
    canvas.box(466, 198, 240, 44, ["`wanted = emit(...)`"], fill=GREEN)
    canvas.arrow((586, 184), (586, 196))
    canvas.text(30, 280, "A step on the right pays one comparison more than bare diffrax's.", colour=FAINT)
    return canvas.svg()


def backward() -> str:
    """The cotangents of a loop, and what they tell on their way."""
    canvas = Canvas(760, 330, "The backward pass reports by the transposes of identities, paced by a cotangent")
    values, taps = [120, 320, 520], [40, 240, 440, 640]
    canvas.text(30, 32, "forward: an identity, the tap, on the inputs, in the body, and on the outputs", bold=True)
    canvas.text(30, 134, "backward: the transpose of each tap calls the host", bold=True)
    for y, name, step in [(48, "tap", 1), (150, "tap`ᵀ`", -1)]:
        for x in taps:
            canvas.box(x, y + 6, 44, 28, [name], fill="white")
            there, here = (x + 78, x + 46) if step > 0 else (x + 46, x + 78)
            if x < taps[-1]:
                canvas.arrow((here, y + 20), (there, y + 20))
        for x in values:
            here, there = (x + 60, x + 118) if step > 0 else (x + 120, x + 62)
            canvas.arrow((here, y + 20), (there, y + 20))
    for x, name in zip(values, ["0", "1", "2"], strict=True):
        canvas.box(x, 48, 60, 40, [f"`y{name}`"], fill=BLUE)
        canvas.box(x, 150, 60, 40, [f"`ȳ{name}`"], fill=VIOLET)
    canvas.box(20, 256, 720, 50, fill=GREEN)
    canvas.text(40, 286, "the host", bold=True)
    for x, said in zip(taps, ["the end", "100 %", "50 %", "the start"], strict=True):
        canvas.arrow((x + 14, 184), (x + 14, 254))
        canvas.arrow((x + 30, 254), (x + 30, 186), dashed=True)
        canvas.text(x + 38, 226, said)
    canvas.text(388, 286, "each answer travels on with the cotangents", colour=FAINT)
    return canvas.svg()


DRAWINGS: Final = {"door": door, "pacing": pacing, "chunks": chunks, "backward": backward}

if __name__ == "__main__":
    for name, draw in DRAWINGS.items():
        (PICTURES / f"{name}.svg").write_text(draw(), encoding="utf-8")
