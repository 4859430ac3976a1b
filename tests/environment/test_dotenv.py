"""`.env`: what counts, what is refused, and that Django reads it alike."""

from environment.small_project import free_port
from slipway import ports


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


def test_a_malformed_line_of_dotenv_is_named(project):
    project.write(".env", "GOOD=1\nEMAIL FROM me\nNAME=two words\n")
    said = project.refused("up", "-D")
    assert ".env, line 2: EMAIL FROM me" in said
    assert ".env, line 3: NAME=two words" in said
    assert "NAME=value" in said
