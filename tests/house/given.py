"""Rules on what is handed in and what is owned: time, randomness, tasks, queues, the platform, shells and secrets."""

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from tests.house.source import File, Finding, Rule, last_name

_TIME = {
    "time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.perf_counter_ns",
    "time.clock_gettime", "time.clock_gettime_ns", "time.localtime", "time.ctime", "asyncio.sleep",
    "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today",
}  # fmt: skip
_CLOCK = "cmdexec/clock.py"
_WARDEN = "cmdexec/worker/warden/"
_WARDENS_TIME = {"time.monotonic", "time.clock_gettime"}

_CHANCE = re.compile(r"(random|secrets|uuid)\.\w+|os\.(urandom|getrandom)")
_MAKES_CHANCE = {"cmdexec/runtime.py", "cmdexec/ids.py"}

BOUNDED_OTHERWISE = {
    "cmdexec/store/sqlite/writer.py": "refuses before it puts, by the number and the bytes of what waits",
}
"""Files with a queue that has no bound of its own → what bounds it."""

REAL_TIME = {
    "cmdexec/worker/executors/process_aftermath.py": "waits for real processes to vanish; no simulation has any",
}
"""Files that may use the event loop's own time → why no clock is handed to them."""

TASKS_WITHOUT_A_GROUP = {
    "cmdexec/worker/executors/process_posix.py": "it keeps its recovery from a dead warden, `close` awaits it",
}
"""Files that may make a task without a TaskGroup → who cancels it and awaits its end."""

_QUEUES = {
    "asyncio.Queue", "asyncio.LifoQueue", "asyncio.PriorityQueue",
    "queue.Queue", "queue.LifoQueue", "queue.PriorityQueue",
}  # fmt: skip
_PLATFORM = {"sys.platform", "os.name", "platform.system", "platform.uname", "sys.getwindowsversion"}
_SHELLS = {
    "os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "asyncio.create_subprocess_shell",
}  # fmt: skip
_SECRET_WORDS = {"secret", "secrets", "password", "token", "signature", "credential", "hmac", "mac", "csrf", "apikey"}


def time_is_handed_in(file: File) -> Iterator[Finding]:
    if not file.is_product or file.path == _CLOCK:
        return
    real = file.path in REAL_TIME
    allowed = _WARDENS_TIME if file.path.startswith(_WARDEN) else {"asyncio.sleep"} if real else set()
    for node, name in file.references():
        if name in _TIME - allowed:
            yield node.lineno, name
    for call, _ in file.calls():
        method, of = (call.func.attr, call.func.value) if isinstance(call.func, ast.Attribute) else ("", call)
        if method == "time" and _is_loop(file, of) and not real:
            yield call.lineno, "time of the loop"


def chance_is_handed_in(file: File) -> Iterator[Finding]:
    if not file.is_product or file.path in _MAKES_CHANCE:
        return
    called = {id(call.func) for call, _ in file.calls()}
    for node, name in file.references():
        a_type = name == "random.Random" and id(node) not in called
        if _CHANCE.fullmatch(name) and not a_type:
            yield node.lineno, name


def tasks_have_owners(file: File) -> Iterator[Finding]:
    if not file.is_product or file.path in TASKS_WITHOUT_A_GROUP:
        return
    for call, name in file.calls():
        method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        if name in ("asyncio.create_task", "asyncio.ensure_future", "asyncio.run_coroutine_threadsafe"):
            yield call.lineno, name
        elif method == "create_task" and isinstance(call.func, ast.Attribute) and _is_loop(file, call.func.value):
            yield call.lineno, "create_task of the loop"


def _is_loop(file: File, node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return file.dotted(node.func) in ("asyncio.get_running_loop", "asyncio.get_event_loop")
    return last_name(node).strip("_") in ("loop", "event_loop")


def queues_are_bounded(file: File) -> Iterator[Finding]:
    if not file.is_product or file.path in BOUNDED_OTHERWISE:
        return
    for call, name in file.calls():
        if name in ("queue.SimpleQueue", "multiprocessing.Queue"):
            yield call.lineno, f"{name} has no bound"
        elif name in _QUEUES:
            bounds = [*call.args[:1], *(keyword.value for keyword in call.keywords if keyword.arg == "maxsize")]
            if not bounds or (isinstance(bounds[0], ast.Constant) and not bounds[0].value):
                yield call.lineno, f"{name} without a bound"


def platform_by_suffix(file: File) -> Iterator[Finding]:
    suffixes = ("_posix", "_windows", "_macos", "_linux")
    if not file.is_product or PurePosixPath(file.path).stem.endswith(suffixes) or only_chooses(file):
        return
    for node, name in file.references():
        if name in _PLATFORM:
            yield node.lineno, name


def only_chooses(file: File) -> bool:
    """It takes the same names from one file or another, by `sys.platform`, and does nothing else."""

    def chooses(node: ast.stmt) -> bool:
        if isinstance(node, ast.If):
            return all(chooses(one) for one in (*node.body, *node.orelse))
        return isinstance(node, ast.Import | ast.ImportFrom)

    first, *body = file.tree.body or [ast.Pass()]
    names = [node for node in body if isinstance(node, ast.Assign) and last_name(node.targets[0]) == "__all__"]
    return isinstance(first, ast.Expr) and all(node in names or chooses(node) for node in body)


def no_shell(file: File) -> Iterator[Finding]:
    if not file.is_python:
        return
    for call, name in file.calls():
        if name in _SHELLS:
            yield call.lineno, name
        for keyword in call.keywords:
            plainly_false = isinstance(keyword.value, ast.Constant) and not keyword.value.value
            if keyword.arg == "shell" and not plainly_false:
                yield call.lineno, "shell=True"


def secrets_compared_in_constant_time(file: File) -> Iterator[Finding]:
    for node in file.nodes if file.is_product else ():
        if not isinstance(node, ast.Compare) or not any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops):
            continue
        sides = [node.left, *node.comparators]
        if any(isinstance(side, ast.Constant) for side in sides):
            continue  # whether one is empty, or of which kind it is, is no secret
        for side in sides:
            if _SECRET_WORDS & set(last_name(side).lower().split("_")):
                yield node.lineno, f"{last_name(side)} is compared with =="
                break


def tests_never_sleep(file: File) -> Iterator[Finding]:
    if not file.is_test or file.path == "tests/support/waiting.py":
        return
    for call, name in file.calls():
        only_lets_others_run = call.args and isinstance(call.args[0], ast.Constant) and not call.args[0].value
        if name in ("time.sleep", "asyncio.sleep") and not only_lets_others_run:
            yield call.lineno, name


RULES = (
    Rule(time_is_handed_in, "Take the clock from the Runtime that is handed in: `elapsed()`, `now()`, `sleep()`."),
    Rule(chance_is_handed_in, "Take `rng`, `ids` or `secret_bytes` from the Runtime that is handed in."),
    Rule(
        tasks_have_owners,
        "Make the task in an asyncio.TaskGroup, so that somebody awaits it and its failure is heard. Where there can "
        "be no group, list the file in TASKS_WITHOUT_A_GROUP with who owns the task.",
    ),
    Rule(queues_are_bounded, "Give the queue a bound that is a setting, and decide what happens when it is full."),
    Rule(
        platform_by_suffix,
        "Put it into files that end in _posix.py, _macos.py or _windows.py, behind one that only chooses between them.",
    ),
    Rule(no_shell, "Give the program and its arguments as a list."),
    Rule(secrets_compared_in_constant_time, "Compare with hmac.compare_digest."),
    Rule(tests_never_sleep, "Wait for the fact, with a deadline: tests/support/waiting.py."),
)
