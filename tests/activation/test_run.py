"""`baggage run`: every Python below is instrumented, and the program notices nothing else."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from baggage.cli.run import deaf
from tests.activation.programs import PLACE, RUN, environment, ran, said

ACTIVE = "from baggage.runtime import PROCESS; active = PROCESS.active()"
FAMILY = """
import json, multiprocessing, os, subprocess, sys
LOOK = "import baggage, json; print(json.dumps([*baggage.unpack('n')]))"

def look():
    import baggage
    from baggage.runtime import PROCESS
    return [*baggage.unpack("n"), PROCESS.boundary.policy.service]

def child(method):
    with multiprocessing.get_context(method).Pool(1) as pool:
        return pool.apply(look)

if __name__ == "__main__":
    import baggage
    with baggage.attached(baggage.Baggage().pack("n", 1)):
        seen = {method: child(method) for method in ("fork", "spawn", "forkserver")}
        command = [sys.executable, "-c", LOOK]
        seen["subprocess"] = json.loads(subprocess.run(command, capture_output=True).stdout)
        seen["popen"] = json.loads(os.popen(f'{sys.executable} -c "{LOOK}"').read())
    told = json.dumps(seen)
    program = f"from baggage.runtime import PROCESS; print({told!r} * bool(PROCESS.active()))"
    os.execv(sys.executable, [sys.executable, "-c", program])
"""


def write(folder: Path, name: str, text: str) -> str:
    """Write a file; return its path."""
    (folder / name).write_text(textwrap.dedent(text))
    return str(folder / name)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Make a virtual environment in which nothing is installed; return its Python."""
    folder = tmp_path_factory.mktemp("elsewhere")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return str(folder / "bin" / "python")


# What is reached


def test_all_that_a_program_starts_is_instrumented_and_called_after_its_program(
    tmp_path: Path,
) -> None:
    assert said(*RUN, "--", "python", write(tmp_path, "family.py", FAMILY)) == {
        "fork": [1, "family"],
        "spawn": [1, "family"],
        "forkserver": [1, "family"],
        "subprocess": [1],
        "popen": [1],
    }


@pytest.mark.parametrize(
    "command",
    [
        ["python", "look.py"],
        ["python", "-m", "look"],
        ["python", "-u", "-c", "import look"],
        ["env", "python", "look.py"],
        ["sh", "-c", "python look.py"],
        ["./look.py"],
    ],
)
def test_however_it_is_started(command: list[str], tmp_path: Path) -> None:
    look = f"#!/usr/bin/env python\n{ACTIVE}\nimport json; print(json.dumps('threading' in active))"
    Path(write(tmp_path, "look.py", look)).chmod(0o755)
    assert said(*RUN, "--", *command, cwd=tmp_path) is True


def test_pytest_runs_instrumented_tests(tmp_path: Path) -> None:
    write(
        tmp_path, "test_it.py", f"def test_it():\n    {ACTIVE}\n    assert 'threading' in active\n"
    )
    answer = ran(*RUN, "--", "pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "1 passed" in answer.stdout


def test_settings_are_options() -> None:
    options = ["--service", "shop", "--library", "os", "--library", "queue", "--exclude", "queue"]
    program = f"{ACTIVE}; print([*active, PROCESS.boundary.policy.service])".replace(
        "print(", "print(json.dumps("
    )
    assert said(*RUN, *options, "--", "python", "-c", f"import json; {program})") == ["os", "shop"]


# What a program notices


def test_a_program_sees_the_path_and_the_modules_that_it_has_without_us(tmp_path: Path) -> None:
    look = write(
        tmp_path,
        "look.py",
        """
        import json, os, sys
        print(json.dumps([sys.path, sys.argv, "sitecustomize" in sys.modules, os.getcwd()]))
        """,
    )
    plain = said("python", look, "a", "--b", PYTHONPATH="/nowhere")
    assert said(*RUN, "--", "python", look, "a", "--b", PYTHONPATH="/nowhere") == plain


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (None, [str(PLACE)]),
        ("", [str(PLACE)]),
        ("/a:/b", [str(PLACE), "/a", "/b"]),
        (f"/a:{PLACE}:/b", [str(PLACE), "/a", "/b"]),
    ],
)
def test_children_find_us_by_the_environment_and_nothing_else_in_it_is_new(
    path: str | None, expected: list[str]
) -> None:
    look = ["env", *([] if path is None else [f"PYTHONPATH={path}"])]
    plain = ran(*look, "env").stdout.splitlines()
    within = ran(*look, *RUN, "--", "env").stdout.splitlines()
    assert {*within} - {*plain} == {f"PYTHONPATH={os.pathsep.join(expected)}"}
    assert {*plain} - {*within} <= {f"PYTHONPATH={path}"}


def test_an_existing_sitecustomize_runs_as_without_us(tmp_path: Path) -> None:
    theirs = "import sys\nsys.theirs = __file__\n"
    path = write(tmp_path, "sitecustomize.py", theirs)
    known = "[sys.theirs, sys.modules['sitecustomize'].__file__, bool(active)]"
    look = f"import json, sys; {ACTIVE}; print(json.dumps({known}))"
    seen = said(*RUN, "--", "python", "-c", look, PYTHONPATH=str(tmp_path))
    assert seen == [path, path, True]


def test_an_existing_sitecustomize_fails_as_without_us(tmp_path: Path) -> None:
    write(tmp_path, "sitecustomize.py", "raise LookupError('theirs')\n")
    program = ["python", "-c", f"{ACTIVE}; print(bool(active))"]
    plain = ran(*program, PYTHONPATH=str(tmp_path))
    within = ran(*program, PYTHONPATH=f"{PLACE}{os.pathsep}{tmp_path}")
    assert (plain.stdout, within.stdout) == ("False\n", "True\n")
    assert "LookupError: theirs" in plain.stderr
    assert within.stderr == plain.stderr


LAUNCHER = """
import os, sys
here = os.path.dirname(__file__)
path = os.environ.get("PYTHONPATH", "")
{become}
"""
THEIRS = """
import os, sys
sys.theirs = True
path = os.environ.get("PYTHONPATH", "").split(os.pathsep)
here = os.path.dirname(__file__)
os.environ["PYTHONPATH"] = os.pathsep.join([here, *(each for each in path if each != here)])
"""
BOTH = f"""
import json, subprocess, sys
{ACTIVE}
seen = [[sys.theirs, bool(active)]]
if len(sys.argv) < 2:
    child = subprocess.run([sys.executable, __file__, "child"], capture_output=True)
    seen += json.loads(child.stdout)
print(json.dumps(seen))
"""


@pytest.mark.parametrize(
    "become",
    [
        "os.environ['PYTHONPATH'] = here + os.pathsep + path; os.execl(sys.argv[1], *sys.argv[1:])",
        (
            "told = {**os.environ, 'PYTHONPATH': here + os.pathsep + path}; "
            "os.execvpe(sys.argv[1], sys.argv[1:], told)"
        ),
    ],
)
@pytest.mark.parametrize("outside", ["ours", "theirs"])
def test_another_launcher_of_the_kind_works_outside_and_inside(
    become: str, outside: str, tmp_path: Path
) -> None:
    launcher = write(tmp_path, "launcher.py", LAUNCHER.format(become=become))
    write(tmp_path, "sitecustomize.py", THEIRS)
    program, theirs = write(tmp_path, "program.py", BOTH), [sys.executable, launcher]
    launchers = [*RUN, *theirs] if outside == "ours" else [*theirs, *RUN]
    assert said(*launchers, sys.executable, program) == [[True, True], [True, True]]


def test_a_program_may_be_handed_an_environment_of_bytes() -> None:
    program = """
    import os, sys
    look = "import os; print(os.environ['PYTHONPATH'])"
    told = {**os.environ, "PYTHONPATH": b"somewhere"}
    os.execve(sys.executable, [sys.executable, "-c", look], told)
    """
    assert ran(*RUN, "python", "-c", textwrap.dedent(program)).stdout == "somewhere\n"


def test_who_takes_us_from_the_environment_has_his_way() -> None:
    program = """
    import os, sys
    del os.environ["PYTHONPATH"]
    look = "from baggage.runtime import PROCESS; print(PROCESS.active())"
    os.execl(sys.executable, sys.executable, "-c", look)
    """
    assert ran(*RUN, "python", "-c", textwrap.dedent(program)).stdout == "()\n"


def test_a_usercustomize_is_left_alone(tmp_path: Path, elsewhere: str) -> None:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = tmp_path / "lib" / version / "site-packages"
    packages.mkdir(parents=True)
    write(packages, "usercustomize.py", "import sys\nsys.theirs = True\n")
    base = str(Path(elsewhere).resolve())  # in a virtual environment there are none
    program = "import sys; print(sys.theirs)"
    answer = ran(*RUN, "--", base, "-c", program, PYTHONUSERBASE=str(tmp_path))
    assert answer.stdout == "True\n"


@pytest.mark.parametrize(
    "command", [["python", "-V"], ["pip", "--version"], ["python", "-m", "pip", "help"]]
)
def test_what_has_nothing_to_carry_runs_as_without_us(command: list[str]) -> None:
    plain, within = ran(*command), ran(*RUN, "--", *command)
    assert (within.returncode, within.stdout, within.stderr) == (0, plain.stdout, plain.stderr)


# What becomes of the command


@pytest.mark.parametrize("code", [0, 1, 7, 255])
def test_its_exit_code_is_ours(code: int) -> None:
    assert ran(*RUN, "sh", "-c", f"exit {code}").returncode == code


def test_its_signals_are_ours_for_it_takes_our_place() -> None:
    told = environment()
    asleep = ["sh", "-c", "echo $$; exec sleep 60"]
    with subprocess.Popen([*RUN, *asleep], env=told, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) == process.pid
        process.terminate()
    assert process.returncode == -signal.SIGTERM


def test_a_broken_pipe_ends_it_as_without_us() -> None:
    script = "yes | head -n 1 >/dev/null; echo ${PIPESTATUS[0]}"
    assert ran(*RUN, "bash", "-c", script).stdout == "141\n"


def test_options_behind_the_command_are_its_own() -> None:
    assert ran(*RUN, "echo", "--service", "--help", "-x").stdout == "--service --help -x\n"


@pytest.mark.parametrize(
    ("command", "code", "line"),
    [
        (["no-such-program"], 127, "baggage: 'no-such-program' is not found, or not executable\n"),
        (["./no-such-program"], 127, "'./no-such-program' is not found, or not executable\n"),
        (["/"], 126, "baggage: '/' is not found, or not executable\n"),
        (["./not-executable"], 126, "'./not-executable' is not found, or not executable\n"),
        (["./no-program"], 126, "baggage: cannot run './no-program': Exec format error\n"),
        (["--library", "flsk", "true"], 2, "for 'flsk': did you mean 'flask'?\n"),
        (["--exclude", "flsk", "true"], 2, "for 'flsk': did you mean 'flask'?\n"),
    ],
)
def test_what_cannot_be_run_is_told_in_one_line(
    command: list[str], code: int, line: str, tmp_path: Path
) -> None:
    write(tmp_path, "not-executable", "")
    Path(write(tmp_path, "no-program", "nothing")).chmod(0o755)
    answer = ran(*RUN, *command, cwd=tmp_path)
    assert (answer.returncode, answer.stdout) == (code, "")
    assert answer.stderr.endswith(line)
    assert answer.stderr.count("\n") == 1


# Where it can't be done


def test_a_python_without_baggage_runs_as_without_us_and_one_line_says_so(elsewhere: str) -> None:
    answer = ran(*RUN, elsewhere, "-c", "print(1); raise SystemExit(3)")
    assert (answer.returncode, answer.stdout) == (3, "1\n")
    assert answer.stderr == f"baggage: {elsewhere} runs uninstrumented: No module named 'baggage'\n"


def test_whatever_fails_the_program_runs_and_one_line_says_so(tmp_path: Path) -> None:
    (tmp_path / "baggage").mkdir()
    write(tmp_path / "baggage", "__init__.py", "raise RuntimeError('not\\nnow')\n")
    answer = ran("python", "-c", "print(1)", PYTHONPATH=f"{PLACE}{os.pathsep}{tmp_path}")
    assert (answer.returncode, answer.stdout) == (0, "1\n")
    assert answer.stderr.endswith(" runs uninstrumented: not now\n")
    assert answer.stderr.count("\n") == 1


def test_any_python_understands_what_is_on_its_path() -> None:
    ast.parse((PLACE / "sitecustomize.py").read_text(), feature_version=(3, 4))


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("python -I app.py", "python -I"),
        ("/usr/bin/python3.12 -uE -c 1", "/usr/bin/python3.12 -uE"),
        ("python -W ignore -X dev -S app.py", "python -S"),
        ("python -Wignore -IS -m app", "python -IS"),
        ("python -WIS app.py", ""),
        ("python app.py -I", ""),
        ("python -mSITE -I", ""),
        ("python -c pass -I", ""),
        ("python -um app -I", ""),
        ("python --help-all -I", ""),
        ("python - -S", ""),
        ("sh -E", ""),
        ("", ""),
    ],
)
def test_a_python_that_cannot_be_reached_is_seen(command: str, found: str) -> None:
    assert deaf(command.split() or [""], {"PATH": ""}) == found


def test_a_script_whose_python_cannot_be_reached_is_seen(tmp_path: Path) -> None:
    script = Path(write(tmp_path, "tool", f"#!{sys.executable} -Es\nprint(1)\n"))
    script.chmod(0o755)
    answer = ran(*RUN, str(script))
    assert answer.stdout == "1\n"
    assert answer.stderr.endswith("-Es, can't be reached: runs uninstrumented\n")
    assert answer.stderr.count("\n") == 1


def test_disabled_it_runs_the_command_and_nothing_else() -> None:
    look = "import json, os, sys; print(json.dumps([dict(os.environ), 'baggage' in sys.modules]))"
    plain = said("python", "-c", look, BAGGAGE_DISABLED="1")
    assert said(*RUN, "--service", "x", "--", "python", "-c", look, BAGGAGE_DISABLED="1") == plain
    assert plain[1] is False
