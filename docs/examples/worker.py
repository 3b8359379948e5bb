"""A whole worker in the standard library alone: `WORKER_TOKEN_SECRET=… python worker.py URL NAME [SLOTS]`."""
import base64, concurrent.futures, contextlib, hmac, json, os, signal, subprocess, sys, threading, time, urllib.request
SERVER, NAME, SLOTS, LATER = sys.argv[1], sys.argv[2], int((sys.argv[3:] or ["2"])[0]), (429, *range(500, 600))
RUNNING, FREE, CLEAN = {}, threading.Semaphore(SLOTS), {name: os.environ[name] for name in ("PATH", "HOME")}

def token():
    parts = {"alg": "HS256", "typ": "JWT"}, {"workerId": NAME, "iat": int(time.time()), "exp": int(time.time()) + 3600}
    signed = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    signature = hmac.digest(os.environb[b"WORKER_TOKEN_SECRET"], signed, "sha256")
    return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()

def call(method, path, body=None):  # {}: nothing came (204), or the server itself wants no more of this
    while True:  # all calls may be repeated: what was taken is not taken twice
        headers = {"x-worker-token": token(), "Content-Type": "application/json"}
        asked = urllib.request.Request(SERVER + path, body and json.dumps(body).encode(), headers, method=method)
        try:
            return json.loads(urllib.request.urlopen(asked, timeout=90).read() or "{}")
        except Exception as wrong:  # away, cut off, or an answer that says why not
            print(path, wrong, file=sys.stderr)
            time.sleep(1)
            with contextlib.suppress(Exception):  # what a proxy answers is no refusal: only the server has such a body
                if (told := json.load(wrong)).pop("error")["code"] == "output_limit" or told or wrong.code not in LATER:
                    return told  # the rest of it: nothing, but for one heartbeat too many, which counted all the same

def run(job):
    named, sizes, ended = {"jobId": job["jobId"], "attempt": job["attempt"]}, {"stdout": 0, "stderr": 0}, {}
    command = ["-c", job["command"]] if isinstance(job["command"], str) else ["-c", 'exec "$@"', "sh", *job["command"]]
    env = CLEAN | job["env"] | {"CMDEXEC_JOB_ID": job["jobId"], "CMDEXEC_ATTEMPT": str(job["attempt"])}
    process = subprocess.Popen(["sh", *command], env=env, start_new_session=True, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    def end(reason, how):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL if ended else how)
        ended.setdefault("reason", reason)
    def send(stream):
        while data := getattr(process, stream).read1(65536):
            piece = {"stream": stream, "offset": sizes[stream], "data": base64.b64encode(data).decode()}
            call("POST", "/api/jobs/stream-output", named | {"chunks": [piece]})
            sizes[stream] += len(data)
    RUNNING[job["jobId"], job["attempt"]] = end
    (timer := threading.Timer(job["timeoutSec"] or threading.TIMEOUT_MAX, end, ["timeout", signal.SIGKILL])).start()
    list(concurrent.futures.ThreadPoolExecutor(2).map(send, sizes))
    how = {"exitCode": code} if (code := process.wait()) >= 0 else {"signal": -code}
    timer.cancel()
    call("POST", "/api/jobs/submit-result", named | how | ended | {"output": {s: {"bytes": sizes[s]} for s in sizes}})
    del RUNNING[job["jobId"], job["attempt"]]
    FREE.release()

def beat():
    while True:
        told = call("POST", "/api/workers/heartbeat", {"jobs": [{"jobId": a, "attempt": b} for a, b in [*RUNNING]]})
        for one in told.get("stop", ()):  # KILL, if it has to be said once more
            RUNNING.get((one["jobId"], one["attempt"]), print)("cancelled", signal.SIGTERM)
        time.sleep(told.get("heartbeatSec", 5))

call("POST", "/api/workers/register", {"slots": SLOTS}) or sys.exit(1)
threading.Thread(target=beat, daemon=True).start()
while FREE.acquire():  # the job of an answer that is lost ends as if this worker had died; with a `claim` it would not
    given = call("GET", "/api/jobs/get-job?wait=30")
    threading.Thread(target=run, args=given["jobs"]).start() if given else FREE.release()
