"""`restart` and `scale`: single processes of the running stack."""

from environment.small_project import WEB, WORKER


def test_restart_by_name(running):
    before = running.status()
    running.ok("restart", "worker")
    running.ok("wait")
    after = running.status()
    assert after["worker"]["pid"] != before["worker"]["pid"]
    assert after["web"]["pid"] == before["web"]["pid"]
    said = running.refused("restart", "nobody")
    assert "no process nobody" in said
    assert "web, worker" in said


def test_scale_up_and_down_and_the_names_still_work(running):
    assert running.ok("scale", "worker", "3") == "worker-0, worker-1, worker-2\n"
    running.ok("wait")
    first = running.status()
    running.ok("restart", "worker")
    running.ok("wait")
    assert all(running.status()[n]["pid"] != first[n]["pid"] for n in first if n != "web")
    assert "working as 2" in running.ok("logs", "worker")
    assert running.ok("logs", "worker.2").splitlines()[-1] == "working as 2"

    assert running.ok("scale", "worker", "1") == "worker\n"
    assert set(running.status()) == {"web", "worker"}
    assert "working as 2" not in running.ok("logs", "worker")
    assert "working as 2" not in running.ok("logs")
    assert sum("working as" in command for command in running.processes().values()) == 1


def test_what_cannot_be_scaled(running):
    assert "cannot run twice" in running.refused("scale", "web", "2")
    assert "At least one" in running.refused("scale", "worker", "0")
    assert "no process nobody" in running.refused("scale", "nobody", "2")
    assert running.run("scale", "worker", "many").returncode == 2


def test_one_that_up_leaves_out_starts_by_its_name(project):
    left_out = WORKER.replace("worker", "extra").replace("x-scalable", "disabled")
    project.services(WEB + left_out)
    project.ok("up", "-D")
    project.ok("wait")
    assert project.status()["extra"]["status"] == "Disabled"
    project.ok("restart", "extra")
    project.ok("wait")
    assert project.status()["extra"]["status"] == "Running"
    project.ok("down")

    project.ok("up", "-D", "extra")
    project.ok("wait")
    assert {name: p["status"] for name, p in project.status().items()} == {
        "extra": "Running",
        "web": "Disabled",
    }
