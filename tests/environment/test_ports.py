"""Ports: well-formed, different and free before anything starts."""

import contextlib
import os
import socket

import pytest

from environment.small_project import WEB
from slipway import ports


def test_a_taken_port_names_its_holder_and_the_variable(project):
    with socket.create_server(("127.0.0.1", project.port)):
        said = project.refused("up", "-D")
    assert f"Port {project.port} (app) is taken by" in said
    assert f"pid {os.getpid()}" in said
    assert "in the environment: WEB_PORT=" in said  # which wins
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
    for wrong in ("http", "0", "08000", "70000", "80 ", "٨٠"):
        said = project.refused("up", "-D", WEB_PORT=wrong)
        assert f"WEB_PORT={wrong} is not a port" in said
        assert "1 to 65535" in said
    assert project.processes() == {}


def test_one_port_for_two_is_refused(project):
    second = WEB.replace("web", "second").replace("WEB_PORT", "SECOND_PORT")
    project.services(WEB + second)
    said = project.refused("up", "-D", SECOND_PORT=str(project.port))
    assert f"WEB_PORT and SECOND_PORT are both {project.port}" in said


def side_by_side(make_project) -> tuple:
    """Two folders of one project, whose port nobody has set; the first one runs."""
    shop, worktree = make_project("shop"), make_project("worktree")
    for project in (shop, worktree):
        project.services(WEB.replace("8000", str(shop.port)))
        del project.env["WEB_PORT"]
    shop.ok("up", "-D")
    shop.ok("wait")
    return shop, worktree


def test_a_second_worktree_gets_ports_of_its_own_and_keeps_them(make_project):
    shop, worktree = side_by_side(make_project)
    said = worktree.ok("up", "-D")
    worktree.ok("wait")
    port = int(said.split("WEB_PORT=")[1].split()[0])
    assert (port - shop.port) % 10 == 0
    assert not ports.is_free(port)
    assert shop.status()["web"]["ready"]

    for project in (shop, worktree):
        project.ok("down")
    assert "which gets" not in worktree.ok("up", "-D")
    assert not ports.is_free(port) or worktree.ok("wait")
    assert ports.is_free(shop.port)


def test_two_that_start_at_the_same_time_get_different_ports(make_project):
    """Also where the first one does not listen yet when the second one looks."""
    shop, worktree = make_project("shop"), make_project("worktree")
    for project in (shop, worktree):
        project.services(
            WEB.replace("8000", str(shop.port)).replace("exec python -u", "sleep 2; exec python -u")
        )
        del project.env["WEB_PORT"]
        project.ok("setup")
    assert "which gets" not in shop.ok("up", "-D")
    assert "which gets" in worktree.ok("up", "-D")
    for project in (shop, worktree):
        project.ok("wait")
        assert project.status()["web"]["restarts"] == 0


@pytest.mark.parametrize("why", ["it is set", "it is set in .env", "in a container", "a stranger"])
def test_otherwise_a_taken_port_is_refused(make_project, why):
    shop, worktree = side_by_side(make_project)
    environment = {}
    if why == "it is set":
        environment["WEB_PORT"] = str(shop.port)
    elif why == "it is set in .env":
        worktree.write(".env", f"WEB_PORT={shop.port}\n")
    elif why == "in a container":
        environment["REMOTE_CONTAINERS"] = "true"
    else:
        shop.ok("down")
    with contextlib.ExitStack() as stranger:
        if why == "a stranger":
            stranger.enter_context(socket.create_server(("127.0.0.1", shop.port)))
        said = worktree.refused("up", "-D", **environment)
    assert f"Port {shop.port} (app) is taken by" in said
    assert worktree.processes() == {}
