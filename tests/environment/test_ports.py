"""Ports: well-formed, different and free before anything starts."""

import os
import socket

import pytest

from environment.small_project import WEB


def test_a_taken_port_names_its_holder_and_the_variable(project):
    with socket.create_server(("127.0.0.1", project.port)):
        said = project.refused("up", "-D")
    assert f"Port {project.port} (app) is taken by" in said
    assert f"pid {os.getpid()}" in said
    assert "WEB_PORT=" in said
    assert project.processes() == {}


def test_a_port_that_is_taken_on_ipv6_alone_is_taken(project):
    """A client that says localhost would talk to that program, and not to ours."""
    try:
        listener = socket.create_server(("::1", project.port), family=socket.AF_INET6)
    except OSError:
        pytest.skip("This machine has no IPv6.")
    with listener:
        said = project.refused("up", "-D")
    assert f"Port {project.port} (app) is taken by" in said
    assert f"pid {os.getpid()}" in said
    assert project.processes() == {}


def test_the_port_that_it_proposes_is_free(project):
    with socket.create_server(("127.0.0.1", project.port)):
        proposed = project.refused("up", "-D").split("WEB_PORT=")[1].split()[0]
    project.ok("up", "-D", WEB_PORT=proposed)
    project.ok("wait")


def test_a_malformed_port_is_named_with_the_accepted_form(project):
    for wrong in ("http", "0", "70000", "80 ", "٨٠"):
        said = project.refused("up", "-D", WEB_PORT=wrong)
        assert f"WEB_PORT={wrong} is not a port" in said
        assert "1 to 65535" in said
    assert project.processes() == {}


def test_one_port_for_two_is_refused(project):
    second = WEB.replace("web", "second").replace("WEB_PORT", "SECOND_PORT")
    project.services(WEB + second)
    said = project.refused("up", "-D", SECOND_PORT=str(project.port))
    assert f"WEB_PORT and SECOND_PORT are both {project.port}" in said
