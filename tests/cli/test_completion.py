import subprocess
from pathlib import Path

import pytest

TAIL_OPTIONS = (
    "-h --help --no-follow --until-done --plain --json --csv --utc --patience "
    "--phase --experiment --event --where --since --until --last"
)


@pytest.fixture
def script(soltrace, tmp_path: Path):
    """Have the script for a shell written to a file."""

    def write(shell: str) -> Path:
        status, out, err = soltrace.run("completion", shell)
        assert (status, err) == (0, [])
        path = tmp_path / f"completion.{shell}"
        path.write_text("\n".join(out) + "\n")
        return path

    return write


def shell(name: str, program: str, directory: Path) -> list[str]:
    """Run a program in a shell that reads no files of the user's. Returns the lines that it prints."""
    plain = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[name]
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(directory), "LC_ALL": "C.UTF-8", "TERM": "dumb"}
    done = subprocess.run(
        [name, *plain, "-c", program], cwd=directory, env=environ, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    "line,expected",
    [
        ("soltrace ", "run tail demo report explain query convert ship formats completion --help --version"),
        ("soltrace t", "tail"),
        ("soltrace tail --", TAIL_OPTIONS.removeprefix("-h ")),
        ("soltrace tail --u", "--until-done --utc --until"),
        ("soltrace tail --phase ", "forward backward"),
        ("soltrace tail --phase = b", "backward"),
        ("soltrace tail --json --event pass.e", "pass.ended"),
        ("soltrace tail --since ", ""),
        ("soltrace tail soltrace-r", ""),
        ("soltrace completion ", "bash fish zsh"),
        ("soltrace run fit.py --", "--help --attributes --experiment --dir --otlp --live"),
    ],
)
def test_bash_completes(script, tmp_path, line, expected):
    """Commands, options, and values as far as they are known; where it has nothing to offer, bash offers paths."""
    words = line.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    program = (
        f"source {script('bash')}; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _soltrace; "
        'printf "%s\\n" "${COMPREPLY[@]}"; complete -p soltrace'
    )

    *replies, registered = shell("bash", program, tmp_path)

    assert " ".join(replies) == expected
    assert registered == "complete -o default -F _soltrace soltrace"


@pytest.mark.programs
@pytest.mark.parametrize(
    "line,expected",
    [
        ("soltrace t", ["tail\tfollow logs: a live view on a terminal, else a readable line per event"]),
        ("soltrace tail --ph", ["--phase\tphase"]),
        ("soltrace tail --phase ", ["backward", "forward"]),
        ("soltrace completion ", ["bash", "fish", "zsh"]),
        ("soltrace tail --event pass.e", ["pass.ended"]),
        ("soltrace tail comp", ["completion.fish"]),
    ],
)
def test_fish_completes(script, tmp_path, line, expected):
    """The same, with what each is for."""
    replies = shell("fish", f"source {script('fish')}; complete -C '{line}'", tmp_path)

    assert [reply if "\t" in expected[0] else reply.split("\t")[0] for reply in replies] == expected


@pytest.mark.programs
def test_zsh_takes_the_script(script, tmp_path):
    """Its grammar is right, and the command is registered."""
    path = script("zsh")
    assert shell("zsh", f"zsh -n {path}", tmp_path) == []
    program = f"autoload -U compinit; compinit -u; source {path}; print ${{_comps[soltrace]}}"
    assert shell("zsh", program, tmp_path) == ["_soltrace"]


def test_another_shell_is_refused(soltrace):
    """With those that are known."""
    status, out, err = soltrace.run("completion", "tcsh")

    assert (status, out) == (2, [])
    assert err[-1].startswith("soltrace completion: error: argument shell: invalid choice: 'tcsh'")
