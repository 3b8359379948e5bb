"""The warden: a child process of the worker that makes, reaps and ends every host process.

It stands alone: standard library only, and only light parts of it (no `typing`, no `dataclasses`), since it starts with
every worker and stays. Why a process of its own: it outlives a worker that is killed, and ends what that worker ran.

    __main__     the script; `entry` reads its arguments
    command      how the worker starts it
    wire         what worker and warden say to each other, over a socket that is a lifeline too
    serve        the loop: requests in, children reaped, deadlines kept, answers out
    job          one job's way from process to proof that nothing is left
    spawn        making a process, and the sentence when it cannot be made
    containment  what a tree of processes can be asked, whatever holds it together
    cgroup       trees held by cgroups, version 1 (freezer) or 2
    session      trees held by descent, where no cgroup can be written
    proc         processes as /proc shows them; signals that cannot hit another process
    kernel       the system calls that Python lacks
"""
