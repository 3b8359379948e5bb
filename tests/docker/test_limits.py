"""What a job in a container can see and use, looked at from inside."""

import json

import pytest

from tests.support.api import Api
from tests.support.containers import contained, containers_of, docker
from tests.support.proc import spared
from tests.support.system import Server, Worker
from tests.support.waiting import until


def says(api: Api, command: str, **more: object) -> str:
    """What a job prints, which has to be well."""
    job_id = api.create(contained(command, **more))["jobId"]
    job = api.wait_ended([job_id], within=20)[0]
    assert job["status"] == "completed", (job["message"], api.output(job_id, "stderr"))
    return api.output(job_id).decode().strip()


def test_it_is_nobody_without_any_right_and_cannot_get_one(api: Api) -> None:
    told = dict(line.split(":", 1) for line in says(api, "id -u; cat /proc/self/status").splitlines()[1:])
    assert told["Uid"].split() == ["65534"] * 4
    assert {told[name].strip() for name in ("CapPrm", "CapEff", "CapBnd", "CapInh")} == {"0" * 16}
    assert told["NoNewPrivs"].strip() == "1"
    assert told["Seccomp"].strip() == "2", "filtered"
    assert says(api, "id -u; id -g", user="1234:4321").split() == ["1234", "4321"]
    assert says(api, "id -u; id -G", user="1234").split() == ["1234", "1234"], "not of root's group"


def test_it_has_no_network(api: Api) -> None:
    assert says(api, "ls /sys/class/net").split() == ["lo"]
    assert len(says(api, "cat /proc/net/route").splitlines()) == 1, "a headline, and no way to anywhere"


def test_it_writes_to_its_own_folder_and_tmp_alone(api: Api) -> None:
    tries = "for f in / /etc /bin /job /tmp; do touch $f/x 2>/dev/null && echo $f; done; pwd; echo $HOME"
    assert says(api, tries).split() == ["/job", "/tmp", "/job", "/job"]
    assert "docker.sock" not in says(api, "ls /run /var/run 2>/dev/null; true")
    assert says(api, "printf '#!/bin/sh\necho ran' > x; chmod +x x; ./x") == "ran", "programs may be made there"


def test_it_has_so_many_processes_and_no_more(api: Api) -> None:
    """CONTAINER_PIDS is 40 here: its first process, the shell and what it starts, threads too."""
    told = says(api, "(for i in $(seq 80); do sleep 20 & done) 2>/dev/null; set -- /proc/[0-9]*; echo $#")
    assert 30 < int(told) <= 40


def test_it_has_its_part_of_the_cores(api: Api) -> None:
    counted = "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu.max 2>/dev/null; true"
    assert says(api, counted, cpu=0.3).split()[0] == "30000"
    spin = "t=$(cut -d' ' -f1 /proc/uptime); timeout 2 sh -c 'while :; do :; done'; cat /proc/self/stat | true; times"
    idle = spared()
    used = says(api, spin, cpu=0.25).splitlines()[-1]
    minutes, seconds = used.split()[0].rstrip("s").split("m")
    ran = int(minutes) * 60 + float(seconds)
    assert ran < 0.9, f"of two seconds a quarter: {used}"
    assert ran > 0.2 or spared() - idle < 0.5, f"of two seconds a quarter, though the machine had nothing to do: {used}"


def test_it_has_its_part_of_the_memory_and_is_told_when_that_was_too_little(api: Api) -> None:
    limits = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; true"
    assert says(api, limits, ramMb=24) == str(24 << 20)
    assert says(api, limits) == str(64 << 20), "CONTAINER_RAM_BYTES"
    eater = api.create(contained(["awk", 'BEGIN { while (1) a[i++] = i "xxxxxxxxxxxxxxxx" }'], ramMb=16))
    job = api.wait_ended([eater["jobId"]], within=20)[0]
    assert (job["status"], job["reason"]) == ("failed", "oom")
    assert "16 MB" in job["message"]
    assert job["attempts"][-1]["proof"] == {"left": 0, "survivors": []}


def test_a_child_that_was_out_of_memory_is_no_end_of_a_job_that_went_on(api: Api) -> None:
    child = "awk 'BEGIN { while (1) a[i++] = i \"xxxxxxxxxxxxxxxx\" }'; echo went on"
    assert says(api, child, ramMb=16) == "went on"


def test_nothing_of_the_machine_is_in_it(api: Api, system: tuple[Server, Worker]) -> None:
    """As the engine says it, of one that runs."""
    _, worker = system
    job_id = api.create(contained("echo up; sleep 30"))["jobId"]
    until(lambda: api.output(job_id) == b"up\n", "it runs")
    (name,) = containers_of(worker)
    (told,) = json.loads(docker("inspect", name))
    host = told["HostConfig"]
    assert (host["Privileged"], host["Binds"], host["Mounts"] if "Mounts" in host else None) == (False, None, None)
    assert (host["CapDrop"], host["CapAdd"], host["SecurityOpt"]) == (["ALL"], None, ["no-new-privileges"])
    assert (host["PidMode"], host["IpcMode"], host["UTSMode"], host["NetworkMode"]) == ("", "private", "", "none")
    assert (host["PortBindings"] or {}, host["PublishAllPorts"], host["Devices"] or []) == ({}, False, [])
    assert (host["Init"], host["ReadonlyRootfs"], host["MemorySwap"]) == (True, True, host["Memory"])
    assert host["LogConfig"]["Type"] == "local"
    labels = told["Config"]["Labels"]
    assert (labels["cmdexec.job"], labels["cmdexec.attempt"]) == (job_id, "1")
    assert api.cancel(job_id)["outcome"] == "asked"
    api.wait_status(job_id, "cancelled")


@pytest.mark.parametrize(
    ("more", "words"),
    [({"network": "bridge"}, "ALLOW_CONTAINER_NETWORK"), ({"user": "0"}, "root"), ({"user": "00:5"}, "root")],
)
def test_what_this_worker_allows_no_job_it_declines(api: Api, more: dict[str, str], words: str) -> None:
    job_id = api.create(contained("true", **more))["jobId"]
    job = api.wait_ended([job_id], within=20)[0]
    assert (job["status"], job["reason"]) == ("failed", "rejected")
    assert words in job["message"]
