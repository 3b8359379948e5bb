"""The warden: a child process of the worker that makes, reaps and ends every host process.

It stands alone: standard library only, and only light parts of it (no `typing`, no `dataclasses`), since it starts with
every worker and stays. Why a process of its own: it outlives a worker that is killed, and ends what that worker ran.

    __main__     the script; `entry` reads its arguments
    command      how the worker starts it
    wire         what worker and warden say to each other, over a socket that is a lifeline too
    serve        the loop: requests in, children reaped, deadlines kept, answers out
    job          one job's way from process to proof that nothing is left, and the jobs whose time is bounded
    leases       jobs that must not outlive the lease of their worker
    spawn        making a process, and the sentence when it cannot be made
    inside       the same for one that is held to limits
    containment  what a tree of processes can be asked, whatever holds it together
    descent      trees held by descent, and whose a process is that left its tree
    slots        trees held by cgroups, and by descent for those who left theirs
    cgroup       one cgroup, version 1 (freezer) or 2
    limits       what a job may use of the machine, and what holds it to that: one of the next three
    hierarchies  cgroups of version 1 · unified  of version 2 · watched  looking at it now and then
    holds        which jobs are held, by what, and whom a limit ends
    proc         processes as /proc shows them; signals that cannot hit another process
    kernel       the system calls that Python lacks
"""
