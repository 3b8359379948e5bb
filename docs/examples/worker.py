"""A whole worker in the standard library alone: `WORKER_TOKEN_SECRET=… python worker.py URL NAME [SLOTS]`."""
import base64, concurrent.futures, contextlib, hmac, json, os, signal, subprocess, sys, threading, time, urllib.request

SERVER, NAME, SLOTS = sys.argv[1], sys.argv[2], int((sys.argv[3:] or ["2"])[0])
RUNNING, FREE, CLEAN = {}, threading.Semaphore(SLOTS), {name: os.environ[name] for name in ("PATH", "HOME")}

def token():
    parts = {"alg": "HS256", "typ": "JWT"}, {"workerId": NAME, "iat": int(time.time()), "exp": int(time.time()) + 3600}
    signed = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    signature = hmac.digest(os.environb[b"WORKER_TOKEN_SECRET"], signed, "sha256")
    return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()

def call(method, path, body=None):  # None: nothing came (204), or the server wants no more of this
    while True:  # all calls may be repeated: what was taken is not taken twice
        headers = {"x-worker-token": token(), "Content-Type": "application/json"}
        asked = urllib.request.Request(SERVER + path, body and json.dumps(body).encode(), headers, method=method)
        try:
            return json.loads(urllib.request.urlopen(asked, timeout=90).read() or "null")
        except OSError as wrong:  # away, or an answer that says why not
            print(why := wrong.read().decode() if hasattr(wrong, "code") else str(wrong), file=sys.stderr)
            time.sleep(1)
            if getattr(wrong, "code", 503) not in (429, 503) and "disk_full" not in why:
                return None

def run(job):
    key, sizes, ended = (job["jobId"], job["attempt"]), {"stdout": 0, "stderr": 0}, {}
    command = ["-c", job["command"]] if isinstance(job["command"], str) else ["-c", 'exec "$@"', "sh", *job["command"]]
    env = CLEAN | job["env"] | {"CMDEXEC_JOB_ID": key[0], "CMDEXEC_ATTEMPT": str(key[1])}
    process = subprocess.Popen(["sh", *command], env=env, start_new_session=True, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    def end(reason, how):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL if ended else how)
        ended.setdefault("reason", reason)
    def send(stream):
        while data := getattr(process, stream).read1(65536):
            piece = {"stream": stream, "offset": sizes[stream], "data": base64.b64encode(data).decode()}
            call("POST", "/api/jobs/stream-output", {"jobId": key[0], "attempt": key[1], "chunks": [piece]})
            sizes[stream] += len(data)
    RUNNING[key] = end  # by (job id, attempt)
    (timer := threading.Timer(job["timeoutSec"] or threading.TIMEOUT_MAX, end, ["timeout", signal.SIGKILL])).start()
    list(concurrent.futures.ThreadPoolExecutor(2).map(send, sizes))
    how = {"exitCode": code} if (code := process.wait()) >= 0 else {"signal": -code}
    timer.cancel()
    output = {stream: {"bytes": size} for stream, size in sizes.items()}
    call("POST", "/api/jobs/submit-result", {"jobId": key[0], "attempt": key[1], "output": output} | how | ended)
    del RUNNING[key]
    FREE.release()

def beat():
    while told := call("POST", "/api/workers/heartbeat", {"jobs": [{"jobId": a, "attempt": b} for a, b in [*RUNNING]]}):
        for one in told["stop"]:  # KILL, if it has to be said once more
            RUNNING.get((one["jobId"], one["attempt"]), print)("cancelled", signal.SIGTERM)
        time.sleep(told["heartbeatSec"])

call("POST", "/api/workers/register", {"slots": SLOTS}) or sys.exit(1)
threading.Thread(target=beat, daemon=True).start()
while FREE.acquire():
    given = call("GET", "/api/jobs/get-job?wait=30")
    threading.Thread(target=run, args=given["jobs"]).start() if given else FREE.release()
