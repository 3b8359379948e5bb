"""What each field means that people and other people's programs meet: a sentence a field, as the documents show it.

They stand together so that one voice tells all of them and the structs stay readable; a test holds that none is
missing and none is left over. Kinds and bounds are not repeated here: they are read from the structs.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from cmdexec.protocol import accounts, fleet, listing, messages, polling, requests

ANYWHERE: Mapping[str, str] = MappingProxyType({
    "jobId": "The job.",
    "attempt": "Which try of the job; numbers rise from 1 and may skip.",
    "workerId": "The worker.",
    "stdout": "Of standard output.",
    "stderr": "Of standard error.",
    "jobs": "The jobs, in the order asked.",
    "leaseSec": "Seconds that the worker may be silent before its jobs count as unknown.",
    "heartbeatSec": "Seconds between two heartbeats.",
    "offset": "Where in the stream it begins, in bytes.",
    "cpu": "Cores, or a part of one.",
    "ramMb": "Memory in MB of 2^20 bytes.",
    "name": "What people call it.",
    "message": "A sentence for people.",
    "exitCode": "The exit code of the command.",
    "signal": "The number of the signal that ended the command.",
    "labels": "Names and values.",
    "run": "How many attempts there have been, this one counted.",
    "startedAt": "When the command was allowed to start.",
    "finishedAt": "When it ended.",
    "usage": "What it took of the machine.",
    "output": "How much of each stream is stored.",
    "stream": "Standard output or standard error.",
    "version": "The version of cmdexec, or of what speaks in its place.",
    "platform": "Its system, such as `linux x86_64`.",
    "slots": "How many jobs it runs at once.",
    "executors": "How it can run jobs: `process`, `container`.",
    "limits": "What holds a job to its part: cgroups of version 2 or 1, or `watched`: seen to, not enforced.",
    "containerImage": "The image of the container it runs in; null: on the worker's machine itself.",
    "network": "Of a container: `none`, or `bridge`: the engine's default network, where the worker allows that.",
    "pull": "When the image is asked of its registry: `missing`: unless it is there; `always`; `never`.",
    "user": "Who its processes are in the container, as `UID` or `UID:GID`; `UID` alone is also the group.",
    "phase": "What its worker does before it can start, such as `pulling its image, 40 %`; null: nothing.",
    "command": "A line for the shell, or a list: program and arguments, without a shell.",
    "env": "Variables of the environment.",
    "timeoutSec": "Seconds after which the job is ended.",
    "killGraceSec": "Seconds between TERM and KILL when the job is ended.",
    "digest": "SHA-256 of the stream, in hexadecimal.",
    "lost": "Ranges `[from, to)` of what was written and is not there.",
    "code": "What it is, for programs.",
    "firstSec": "Seconds: the range of the first wait.",
    "maxSec": "Seconds: the largest range of a wait.",
    "email": "The e-mail address.",
    "userId": "The user.",
    "role": "`viewer`, `operator` or `admin`.",
    "createdAt": "When it was made.",
    "joinTokenId": "The join token, by what is not secret of it.",
    "tags": "Words to find it by.",
    "priority": "Jobs of a higher one go first; a step counts as much as a while of waiting.",
    "maxRetries": "How often it may be run again after a run of it failed.",
    "retryOn": "Which failures are worth another run: `exit`, `exit:75`, `signal`, `timeout`, `oom`, `image`, `worker`;"
               " empty: each of these. It needs `maxRetries`.",
    "backoff": "How long another run waits.",
    "onLost": "What becomes of it when its worker is lost: `hold` or `requeue`.",
    "maxLost": "With `requeue`: how often it may be run again after its worker was lost.",
    "runAt": "Not before this moment, RFC 3339.",
    "ttlSec": "Seconds after which a job that has not begun is given up, from its submission or its `runAt`.",
    "status": "`scheduled`, `queued`, `assigned`, `running`, `unknown` (its worker is silent), or ended as"
              " `completed`, `failed`, `cancelled`.",
    "reason": "Why it failed: `exit`, `signal`, `timeout`, `oom`, `start`, `worker`, `lost`, …",
    "waitingFor": "Why it does not run yet, in words.",
    "waitingMend": "What one could do about that; null if it needs nothing but time.",
    "queuedAt": "Since when it waits, or waited last.",
    "cancelRequested": "Whether somebody cancelled it.",
    "confirmed": "Whether the worker confirmed the end of what was cancelled; null where nothing was.",
    "seq": "Numbers the pieces of a stream from 0, for people who read traffic.",
})  # fmt: skip
"""A field's name → what it means wherever `FIELDS` says nothing else."""

FIELDS: Mapping[Any, Mapping[str, str]] = MappingProxyType({
    requests.Login: {"password": "The password."},
    accounts.MeView: {
        "user": "Who it is.", "permissions": "What the role allows.", "expiresAt": "Until when the login is good.",
        "serverVersion": "The server's version.",
    },
    accounts.NewUser: {"password": "At least 12 characters; one is made when left out."},
    accounts.ChangeUser: {
        "disabled": "Whether the user is shut out.", "password": "The new one.",
        "newPassword": "Have a new one made.",
    },
    accounts.OwnPassword: {"oldPassword": "The one that it has now.", "password": "The new one."},
    accounts.UserRowView: {
        "disabled": "Whether the user is shut out.", "password": "The one that was made; told this once.",
    },
    accounts.UsersView: {"users": "The users."},
    accounts.NewJoinToken: {
        "uses": "How many workers may join with it.", "expiresSec": "Seconds for which it is good.",
        "labels": "Names and values that its workers get beside their own.",
    },
    accounts.JoinTokenView: {
        "token": "The token itself; told this once.", "state": "Whether it can be used, and if not, why.",
        "uses": "How many workers may join with it.", "used": "How many have.",
        "createdBy": "Who made it.", "expiresAt": "Until when it is good.", "workers": "Who joined with it.",
        "labels": "Names and values that its workers get beside their own.",
    },
    accounts.JoinTokensView: {"joinTokens": "The join tokens."},
    accounts.Join: {
        "token": "The join token.",
        "credentialHash": "SHA-256, in hexadecimal, of the credential that the worker made for itself: `wc_` and 32"
                          " random bytes in base64url without padding.",
    },
    accounts.Joined: {"labels": "Names and values that it got with the token."},
    fleet.ChangeWorker: {
        "draining": "Whether it is given no more jobs.",
        "labels": "Names and values of people's own, beside those they gave before; they go over those that the"
                  " worker names. An empty value hides a label of the worker or of its token, null takes back what"
                  " people gave.",
    },
    listing.JobsQuery: {
        "status": "Where they stand; give it several times for several.",
        "reason": "Why they failed; give it several times for several.",
        "tag": "A tag, whatever its case; give it several times for any of several.",
        "worker": "Who has them, or had them last.",
        "owner": "`me`: those that whoever asks has submitted. They are looked for among all, so pages may be short.",
        "q": "The beginning of a name, an id or a tag, or of the newest jobs any part of those.",
        "from": "Submitted then or later: RFC 3339, or so long ago: `-7d`, `-12h`, `-30m`.",
        "to": "Submitted before then.", "order": "`new`: the newest first. `old`: the oldest.",
        "limit": "The most to give at once.", "cursor": "`next` of the page before.",
    },
    listing.JobRow: {
        "message": "A sentence about its end.", "attempt": "The newest try; 0 before the first.",
        "run": "How many times it was started.", "workerId": "Who has it, or had it last.",
    },
    listing.JobsPage: {"jobs": "The jobs.", "next": "Send it as `cursor` for the next page; null: there is none."},
    listing.RequeueJob: {"acceptDuplicate": "That it may run twice is accepted."},
    requests.LoggedIn: {
        "token": "Send it as `Authorization: Bearer …`.", "expiresAt": "Until when it is good.", "user": "Who it is.",
    },
    requests.HealthView: {
        "status": "`degraded`: it answers and cannot do all of its work.", "uptime": "Seconds since it started.",
        "checks": "What was looked at; only for callers that may view health.",
    },
    requests.NewJob: {
        "name": "What people call the job.",
        "cpu": "Cores, or a part of one, that the job gets; a share like any other's when left out.",
        "ramMb": "Memory in MB of 2^20 bytes that the job gets; it ends as `oom` when it needs more.",
        "timeoutSec": "Seconds after which the job is ended; without, it may run for ever.",
        "killGraceSec": "Seconds between TERM and KILL when it is ended; the worker's own when left out.",
        "stdin": "Its standard input, in base64; empty when left out.",
        "requires": "Labels that its worker must have.",
    },
    requests.JobQuery: {"jobId": "A job; give it several times for several."},
    requests.CancelJobs: {"jobId": "A job, or a list of them."},
    requests.CancelView: {
        "outcome": "`cancelled`: it had not begun. `asked`: it runs and is being ended. Else why not.",
        "status": "Where the job stands now; null if there is none.",
    },
    requests.OutputQuery: {
        "attempt": "Which try; the last when left out.",
        "stream": "Whose bytes; events have both.",
        "follow": "`1`: what comes, until the job ends; as events if the request accepts `text/event-stream`.",
        "download": "`1`: name a file to save it as.",
    },
    requests.StreamView: {
        "bytes": "How many bytes are stored.", "digest": "SHA-256 of them; null until the attempt ended.",
        "whole": "Whether nothing is missing; null where that cannot be told.",
    },
    requests.UsageView: {
        "cpuSec": "Seconds of processor time, its children's included.",
        "peakRssMb": "The most memory at once, in MB of 2^20 bytes.",
    },
    requests.ProofView: {
        "left": "How many processes lived after the end: 0 is the proof that none did.", "survivors": "Which.",
    },
    requests.AttemptView: {
        "ok": "Whether it ended well.", "reason": "Why not.", "proof": "That nothing of it was left running.",
    },
    requests.EventView: {
        "at": "When.", "event": "What happened.", "status": "Where the job stood then.", "who": "Whose doing it was.",
        "note": "More about it.",
    },
    requests.JobView: {
        "message": "A sentence about its end.",
        "attempt": "The newest try; 0 before the first.", "run": "How many times it was started.",
        "workerId": "Who has it, or had it last.", "createdAt": "When it was submitted.",
        "labels": "Labels that its worker must have.", "retriesUsed": "How often it was run again after it failed.",
        "lostUsed": "How often it was run again after its worker was lost.",
        "stdinBytes": "How long its standard input is.", "rerunOf": "The job that it was made of.",
        "owner": "Who submitted it: the e-mail address, where it is known, else the id.",
        "attempts": "Each try that was started.",
        "history": "What happened to it, the first and the newest 200 lines.", "output": "Of the last attempt.",
    },
    requests.WorkersView: {"workers": "All workers that ever registered."},
    requests.RunningView: {"status": "`assigned` or `running`."},
    requests.WorkerView: {
        "state": "`offline`: not connected, its lease still good. `lost`: its lease is over. `suspect`: it begins"
        " nothing that it is given, so it is given nothing but a job now and then to see.",
        "freeSlots": "How many jobs could start at once; null when it is not connected.",
        "load": "How its machine is, as it said last.", "registeredAt": "When it came first.",
        "lastSeenAt": "When it was heard of last.", "jobs": "What it holds.",
        "draining": "Whether somebody wants it to take no jobs; its state shows whether it takes any.",
        "givenLabels": "Those of the labels that people gave it; an empty one hides a label of its own.",
        "transport": "How it is connected: by a `socket`, or `polling`; null when it is not.",
        "warning": "What is wrong with it; null: nothing is known to be.",
        "absences": "Its newest absences, as it told of them itself, up to ten.",
    },
    requests.WorkerWarning: {
        "code": "`cloned`: a copy of it was refused. `suspect`: it begins nothing that it is given.",
        "message": "The same, for people.", "mend": "What to do about it.",
    },
    requests.AbsenceView: {
        "since": "When its server was heard last, by its own clock.", "until": "When it came back, by the same clock.",
        "cause": "The word for the cause, as in `register`.", "why": "The same in words.",
    },
    messages.Absence: {
        "since": "Milliseconds since 1970 of its own clock: when it last heard its server.",
        "until": "When it came back, by the same clock.", "cause": "Why.",
    },
    messages.Register: {
        "workerId": "Who it is; must be the one that its token names.",
        "session": "The life of what it keeps on disk; a new one means that it kept nothing.",
        "instanceId": "Made afresh by each process: the newest owns the session.",
        "name": "What people call it; its id when left out.",
        "connection": "Which of that process's connections this is, rising; 0: it does not say."
        " One that comes after a newer one is refused.",
        "protocol": "The protocol it speaks.",
        "frames": "Frames from the server that it understands beyond those of the first version.",
        "place": "Stands for its data folder and the start of its machine. Of two processes with different ones both"
        " may live: the one that came later is refused as `cloned` while the other does.",
        "machine": "Stands for its data folder and its machine, and stays the same when that is started again.",
        "boot": "Stands for the start of its machine. Where the server runs on that machine as well, and both were"
        " started anew, what ran there before is dead, and its place is free at once.",
        "labels": "Names and values that jobs may require.",
        "cpu": "Cores that all its jobs may use together; it gets no job that asks for more.",
        "ramMb": "Memory in MB of 2^20 bytes that all its jobs may use together; it gets no job that asks for more.",
        "limits": "What holds a job to its part: cgroups of version 2 or 1, or `watched`: seen to, not enforced."
        " A worker that leaves it out gets no job with `cpu` or `ramMb`.",
        "absences": "How long it was away since it was connected last, and why. What is told again counts once.",
    },
    messages.Registered: {
        "session": "The session, its own or the one made for it.",
        "maxFrameBytes": "The largest message of a socket.",
        "outputLimitBytes": "The most output that is stored of one job.",
        "serverVersion": "The server's version.",
        "draining": "Whether somebody wants it to take no jobs.",
    },
    messages.Stats: {
        "cpu": "The share of all cores in use.", "load": "Waiting and running processes for each core.",
        "memoryUsedBytes": "Memory in use.", "memoryTotalBytes": "Memory that there is.", "running": "Jobs that run.",
        "trouble": "Why it begins no jobs now, such as a full disk, in words.",
        "heartbeatSec": "How much lies between two of its heartbeats: more over a slow link.",
        "roundTripSec": "How long the answers to them take.",
    },
    messages.Released: {
        "why": "`neverSpawned`: it made no process. `startedAhead`: the same, since no slot came free. `noRoom`: the"
               " same, since its machine had no room for one. `declined`: not this one. `handedBack`: not now. `dead`:"
               " its process is known to be gone.",
    },
    messages.Heartbeat: {
        "jobs": "All attempts it holds, a complete list; leave it out to say nothing of them.",
        "seq": "Rises with each list that the process makes: one that comes late does not count.",
        "start": "Attempts that it asks to start.", "released": "Attempts that it has no more.",
        "spoolBytes": "Bytes of output and results that it still keeps.",
        "draining": "Whether it takes no more jobs.", "stats": "How its machine is.",
    },
    polling.BeatView: {
        "stop": "Attempts to end: this worker's no more, or cancelled (then `cancel` names them, too).",
        "cancel": "Those of `stop` that were cancelled: report how they ended.",
        "held": "What is to be known of the attempts in `jobs`.", "start": "The answer to each `start`, in its order.",
        "released": "The answer to each `released`, in its order.",
    },
    messages.Told: {
        "tell": "`go`: make the process. `stop`: end it and forget it. `ok`: taken; forget what you keep of it."
                " `resend`: output is missing, send it again from these offsets, then the result. `again`: ask again.",
        "stdout": "Send standard output again from this byte.", "stderr": "Send standard error again from this byte.",
    },
    messages.AskJobs: {
        "claim": "Made up anew for each request but for repeats: the same claim gives the same jobs again. Without one"
                 " the jobs come already granted, so they may be started at once; but those whose answer is lost"
                 " on its way are never run, and end as if their worker had died.",
        "wait": "Seconds to wait for a job when there is none, half of `leaseSec` at most; with 0 it is looked once.",
        "max": "The most jobs to give; 0 asks for orders alone.",
    },
    polling.GivenJobs: {
        "jobs": "Jobs to run.",
        "stop": "Attempts to end: this worker's no more, or cancelled (then `cancel` names them, too).",
        "cancel": "Those of `stop` that were cancelled: report how they ended.",
    },
    messages.ContainerOrder: {"image": "The image that it is made of."},
    polling.GivenJob: {
        "container": "What it runs in; null: the worker's machine itself. Only for a worker whose `executors` say so.",
        "stdin": "Its standard input, in base64; null: none.",
    },
    polling.CheckView: {
        "stop": "Whether to end the attempt.",
        "reason": "`cancelled`: end it gently and report how it ended. `stale`: end it and forget it.",
    },
    requests.FollowOutput: {"data": "The bytes, in base64."},
    requests.FollowAttempt: {"why": "How the run before it ended; null for the first one."},
    requests.FollowEnd: {"job": "The job as it ended."},
    messages.Chunks: {"chunks": "Pieces, in the order in which they are to be stored."},
    messages.Chunk: {"data": "The bytes, in base64."},
    polling.OffsetsView: {"stdout": "Bytes stored of it.", "stderr": "Bytes stored of it."},
    polling.TakenView: {"acknowledged": "How far each stream is on disk: what lies before need not be kept."},
    messages.StreamDone: {"bytes": "How many bytes were sent; without, `whole` cannot be told."},
    messages.OutputDone: {"stdout": "How standard output ended.", "stderr": "How standard error ended."},
    messages.Inline: {
        "stdout": "The last bytes of it, in base64, not sent before.",
        "stderr": "The last bytes of it, in base64, not sent before.",
    },
    messages.Done: {
        "reason": "Why it ended; without one it is judged from exit code and signal.",
        "output": "Length and digest of each stream.", "inline": "Output that had not been sent yet.",
        "outputLost": "Whether what was written last may be missing.",
        "outputCut": "Whether there was more than is kept.", "cpuSec": "Seconds of processor time.",
        "peakRssBytes": "The most memory at once.", "left": "How many of its processes still live.",
        "survivors": "Which.",
    },
    requests.ErrorView: {"error": "What is wrong."},
    requests.ErrorBody: {
        "message": "What is wrong, for people.", "field": "Which field, as the caller wrote it.",
        "mend": "What to do.",
        "expected": "How things stand here, for programs: the `status`, the `attempt`, the bytes that are stored."
                    " Beside it a field of the request that would have to be so: `acceptDuplicate`.",
    },
})  # fmt: skip


def meaning(kind: Any, field: str) -> str | None:
    """What the field means, by its name on the wire; None if nobody said."""
    return FIELDS.get(kind, {}).get(field, ANYWHERE.get(field))
