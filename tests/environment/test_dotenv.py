"""`.env`: what counts, what is refused, and that Django reads it alike."""

import environ
import pytest
from free_ports import free_port

from environment.small_project import TEMPLATE
from slipway import Problem, dotenv, ports

ENV = TEMPLATE / "config" / "env.py"


def test_the_environment_beats_dotenv(project):
    project.write(".env", f"WEB_PORT={free_port()}\n")
    project.ok("up", "-D")
    project.ok("wait")
    assert not ports.is_free(project.port)


def test_dotenv_counts(project):
    project.write(".env", f"# ours\nexport WEB_PORT='{project.port}'  # free\nEMPTY=\n")
    del project.env["WEB_PORT"]
    project.ok("up", "-D")
    project.ok("wait")
    assert not ports.is_free(project.port)


def test_a_mark_at_the_beginning_is_no_part_of_it(project):
    """As some editors on Windows write it."""
    project.write(".env", f"\ufeffWEB_PORT={project.port}\n")
    del project.env["WEB_PORT"]
    project.ok("up", "-D")
    project.ok("wait")
    assert not ports.is_free(project.port)


def test_a_malformed_line_of_dotenv_is_named(project):
    project.write(".env", "GOOD=1\nEMAIL FROM me\nNAME=two words\n")
    said = project.refused("up", "-D")
    assert ".env, line 2: EMAIL FROM me" in said
    assert ".env, line 3: NAME=two words" in said
    assert "NAME=value" in said


READ_ALIKE = [
    ("A=1", "1"),
    ("A=", ""),
    ("A=''", ""),
    ('A=""', ""),
    ("export A=1", "1"),
    ("A=two=parts", "two=parts"),
    ("A=postgres://user:p%40ss@localhost:5432/shop?a=b&c=d", None),
    ("A='a value'", "a value"),
    ('A="a value"', "a value"),
    ("A=' kept '", " kept "),
    ("A='with # in it'", "with # in it"),
    ("A='a' # why", "a"),
    ("A='a'   # it is \"so\"", "a"),
    ("A=a # why", "a"),
    ("A=a   ", "a"),
    ("A= a", "a"),
    ("A=  # nothing", ""),
    (r'A="say \"so\""', 'say "so"'),
    (r'A="one\ntwo\t\\three"', r"one\ntwo\t\three"),
    (r"A=one\two", r"one\two"),
    (r"A='one\two'", r"one\two"),
    ("A=$HOME", "$HOME"),
    ("A='$HOME ${HOME}'", "$HOME ${HOME}"),
    ("A=Grüße", "Grüße"),
    ("A=1\nA=2", "2"),
    ("\ufeffA=1", "1"),  # a mark of the encoding
    ("# A=0\n\n  # indented\nA=1", "1"),
]
REFUSED = [
    "A = 1",
    " A=1",
    "export  A=1",
    "A",
    "A B=1",
    "2A=1",
    "A.B=1",
    "A=two words",
    "A=a#b",
    "A='a",
    'A="a',
    "A='a' b",
    'A="a" # why',
    'A="a#b"',
    "A='a' # it's",
    "A='\"a\"'",
    "A=it's",
]


def test_django_reads_it_with_comments():
    read = 'env.read_env(BASE_DIR / ".env", parse_comments=True, encoding="utf-8-sig")'
    assert read in ENV.read_text()


@pytest.mark.parametrize(("lines", "value"), READ_ALIKE)
def test_django_reads_alike(lines, value, tmp_path, monkeypatch):
    file = tmp_path / ".env"
    file.write_text(f"{lines}\n", encoding="utf-8")
    value = lines.partition("=")[2] if value is None else value
    assert dotenv.read(file)["A"] == value

    monkeypatch.setattr(environ.Env, "ENVIRON", {})
    environ.Env.read_env(file, parse_comments=True, encoding="utf-8-sig")
    django = environ.Env.ENVIRON["A"]
    # Blanks around a value without quotes are left to the helpers of config/env.py.
    assert (django if "='" in lines or '="' in lines else django.strip()) == value


@pytest.mark.parametrize("line", REFUSED)
def test_what_is_refused_says_how_to_write_it(line, tmp_path):
    file = tmp_path / ".env"
    file.write_text(f"GOOD=1\n{line}\n")
    with pytest.raises(Problem) as refused:
        dotenv.read(file)
    assert str(refused.value).startswith(f".env, line 2: {line.strip()}\n")
    assert "NAME='a value'" in str(refused.value)
