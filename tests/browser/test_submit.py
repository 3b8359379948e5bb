"""A new job by its form: what is sent, and where faults stand."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Request, Route, expect

from tests.browser.conftest import LogIn
from tests.support.server import Running
from tests.support.system import clean_environment


def test_all_that_is_filled_in_is_asked_for_and_copied_for_the_command_line(
    run: Running, log_in: LogIn, tmp_path: Path
) -> None:
    page = log_in("operator", "/jobs/new").page
    page.get_by_role("button", name="Arguments").click()
    page.get_by_label("Command", exact=True).fill("echo\na b\n$HOME")
    page.get_by_label("CPU cores").fill("0.5")
    page.get_by_label("Memory").fill("64 MB")
    page.get_by_label("Labels of the worker").fill("no = such \nthing=here")
    page.get_by_label("How many times").fill("2")
    page.get_by_label("Only for").fill("timeout, exit:75")
    page.get_by_label("Run it again elsewhere").check()
    page.get_by_text("In a container").click()
    page.get_by_label("Image", exact=False).first.fill("registry.example.net/team/tool:1.2")
    page.get_by_label("Network").select_option("bridge")
    page.get_by_label("Fetch the image").select_option("never")
    page.get_by_label("User").fill("1000:1000")
    page.get_by_text("Environment and times").click()
    page.get_by_label("Environment").fill("A=1\nB=x=y")
    page.get_by_label("End it after").fill("10 min")
    page.get_by_label("Time to end itself").fill("3 s")
    page.get_by_label("Not before").fill("2099-01-31 18:00Z")
    page.get_by_label("Give up after waiting").fill("2 h")
    page.get_by_text("Name, tags, priority").click()
    page.get_by_label("Name", exact=False).last.fill("whole form")
    page.get_by_label("Tags").fill("ci\nnightly")
    page.get_by_label("Priority").fill("7")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="whole form")).to_be_visible()
    job = run.api().job(page.url.rpartition("/")[2])
    assert job["command"] == ["echo", "a b", "$HOME"]
    assert (job["cpu"], job["ramMb"], job["timeoutSec"], job["priority"]) == (0.5, 64, 600, 7)
    assert (job["maxRetries"], job["retryOn"], job["onLost"]) == (2, ["timeout", "exit:75"], "requeue")
    assert (job["name"], job["tags"], job["env"]) == ("whole form", ["ci", "nightly"], {"A": "1", "B": "x=y"})
    assert job["labels"] == {"no": "such", "thing": "here"}
    assert (job["killGraceSec"], job["runAt"], job["ttlSec"]) == (3, "2099-01-31T18:00:00.000Z", 7200)
    image = "registry.example.net/team/tool:1.2"
    assert (job["containerImage"], job["network"], job["pull"], job["user"]) == (image, "bridge", "never", "1000:1000")
    fact = "registry.example.net/team/tool:1.2, with a network, never fetched, as 1000:1000"
    expect(page.get_by_text(fact)).to_be_visible()
    again = by_command_line(page.evaluate(AS_CLI, job), run, tmp_path)
    same = set(job) - {"jobId", "createdAt", "queuedAt", "history", "waitingFor", "waitingMend", "owner", "stdinBytes"}
    assert {name: again[name] for name in same} == {name: job[name] for name in same}
    for one in (job, again):
        run.api().cancel(one["jobId"])


AS_CLI = """
async (job) => {
  const at = document.querySelector('script[type=module]').src.replace('main.js', '');
  return (await import(`${at}words/job.js`)).asCli(job);
}
"""


def by_command_line(line: str, run: Running, folder: Path) -> dict[str, Any]:
    """The job that the copied line submits."""
    program, command, *arguments = shlex.split(line)
    assert (program, command) == ("cmdexec", "run")
    told = subprocess.run(
        [sys.executable, "-m", "cmdexec", command, "--detach", "--no-stdin", "--server", run.url, *arguments],
        env=clean_environment(HOME=str(folder), CMDEXEC_TOKEN=run.tokens["operator"]), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    return run.api().job(told.stdout.strip())


COPIED: list[tuple[str | list[str], str | list[str]]] = [
    ("exit", ["sh", "-c", "exit"]), (["true"], ["true"]), ("echo a | wc", "echo a | wc"), (["a", "b c"], ["a", "b c"]),
    (["/bin/echo hi"], ["sh", "-c", 'exec "$0"', "/bin/echo hi"]),
]  # fmt: skip


def test_what_was_changed_before_is_said_to_be_so_and_nothing_is_lost_by_a_press(run: Running, log_in: LogIn) -> None:
    """Tags come back as they were, whatever they have in them."""
    asked = {"command": "echo as it was", "tags": ["a,b", "c d"], "requires": {"no": "such"}}
    job = run.api().create(asked)["jobId"]
    page = log_in("operator", f"/jobs/new?from={job}").page
    command = page.get_by_label("Command", exact=True)
    expect(command).to_have_value("echo as it was")
    expect(page.get_by_text("did not send")).to_have_count(0)
    command.fill("echo abandoned")
    page.reload()
    expect(command).to_have_value("echo abandoned")
    expect(page.get_by_text("This is what you made of the job before, and did not send.")).to_be_visible()
    page.get_by_role("button", name="Clear all").click()
    expect(command).to_have_value("")
    page.get_by_role("button", name="Bring it back").click()
    expect(command).to_have_value("echo abandoned")
    page.reload()
    page.get_by_role("button", name="Start from the job").click()
    expect(command).to_have_value("echo as it was")
    expect(page.get_by_text("did not send")).to_have_count(0)
    page.get_by_role("button", name="Run").click()
    page.wait_for_url(lambda url: "/new" not in url)
    again = run.api().job(page.url.rpartition("/")[2])
    assert again["tags"] == ["a,b", "c d"]
    for one in (job, again["jobId"]):
        run.api().cancel(one)


def test_the_copied_line_runs_the_same_also_where_the_command_is_one_word(
    run: Running, log_in: LogIn, tmp_path: Path
) -> None:
    page = log_in("operator").page
    for command, meant in COPIED:
        job = run.api().create({"command": command, "requires": {"no": "such"}})
        again = by_command_line(page.evaluate(AS_CLI, job), run, tmp_path)
        assert again["command"] == meant
        for one in (job, again):
            run.api().cancel(one["jobId"])


def test_what_the_copied_line_cannot_say_is_told(run: Running, log_in: LogIn) -> None:
    asked = {"command": "cat", "stdin": "aGk=", "maxRetries": 1, "backoff": {"firstSec": 7}, "requires": {"no": "such"}}
    job = run.api().create(asked | {"onLost": "requeue", "maxLost": 9})
    page = log_in("operator", f"/jobs/{job['jobId']}").page
    page.get_by_role("button", name="Copy as CLI").click()
    missing = "its input, the time between its retries, how often its worker may be lost"
    expect(page.get_by_text(f"Copied without {missing}")).to_be_visible()
    run.api().cancel(job["jobId"])


def test_faults_stand_at_their_fields_and_take_the_focus(log_in: LogIn) -> None:
    tab = log_in("operator", "/jobs/new")
    page = tab.page
    page.get_by_role("button", name="Run").click()
    command = page.get_by_label("Command", exact=True)
    expect(page.get_by_text("Say what shall run.")).to_be_visible()
    expect(command).to_be_focused()
    command.fill("true")
    page.get_by_label("Memory").fill("lots")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_label("Memory")).to_be_focused()
    expect(page.get_by_label("Memory")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Memory").fill("")
    page.get_by_label("How many times").fill("1-2")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_label("How many times")).to_be_focused()
    page.get_by_label("How many times").fill("1")
    tab.excuse("422")
    page.get_by_text("Name, tags, priority").click()
    page.get_by_label("Priority").fill("1000")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_label("Priority")).to_be_focused()
    expect(page.locator(".fault")).to_have_count(1)


def test_a_draft_outlives_a_reload_until_it_is_sent(run: Running, log_in: LogIn) -> None:
    page = log_in("operator", "/jobs/new").page
    page.get_by_label("Command", exact=True).fill("echo draft")
    page.reload()
    expect(page.get_by_label("Command", exact=True)).to_have_value("echo draft")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("heading", name="echo draft")).to_be_visible()
    page.goto(f"{run.url}/jobs/new")
    expect(page.get_by_label("Command", exact=True)).to_have_value("")


def test_an_older_job_can_be_changed_and_sent_again(run: Running, log_in: LogIn) -> None:
    """With all that it asked for but its input, and over a reload of the page."""
    asked = {
        "command": ["echo", "it's"], "env": {"A": "b", "LINES": "x\ny=z"}, "name": "older", "tags": ["t"],
        "maxRetries": 1, "backoff": {"firstSec": 7, "maxSec": 9}, "killGraceSec": 3, "ttlSec": 4000,
        "maxLost": 7, "onLost": "requeue", "runAt": "2099-01-01T03:00:00.000Z",
    }  # fmt: skip
    old = run.api().create(asked | {"stdin": "aGVsbG8="})
    page = log_in("operator", f"/jobs/{old['jobId']}").page
    page.get_by_role("button", name="Edit and rerun").click()
    command = page.get_by_label("Command", exact=True)
    expect(command).to_have_value("echo\nit's")
    expect(page.get_by_text("got 5 bytes of input")).to_be_visible()
    expect(page.get_by_text("have line breaks: LINES.")).to_be_visible()
    command.fill("echo\nit is")
    page.reload()
    expect(command).to_have_value("echo\nit is")
    page.get_by_role("button", name="Run").click()
    page.wait_for_url(lambda url: "/jobs/" in url and old["jobId"] not in url and "/new" not in url)
    new = run.api().job(page.url.rpartition("/")[2])
    assert {name: new[name] for name in asked} == asked | {"command": ["echo", "it is"]}
    page.goto(f"{run.url}/jobs/new")
    expect(command).to_have_value("")
    for job in (old, new):
        run.api().cancel(job["jobId"])


COMMANDS_OF = """
async ([job, commands]) => {
  const at = document.querySelector('script[type=module]').src.replace('main.js', '');
  const { draftOf, jobOf } = await import(`${at}data/draft.js`);
  return commands.map((command) => jobOf(draftOf({ ...job, command })).command);
}
"""


def test_arguments_that_lines_cannot_hold_are_the_same_arguments_still(run: Running, log_in: LogIn) -> None:
    job = run.api().create({"command": "true", "name": "for its fields"})
    held, beyond = [["a b", "", "c"], "two\nlines"], [["printf", "%s", "it's\ntwo"], ["echo", "last", ""]]
    told = log_in("operator", "/jobs/new").page.evaluate(COMMANDS_OF, [job, [*held, *beyond]])
    assert told[:2] == held
    assert [shlex.split(command) for command in told[2:]] == beyond


def test_an_answer_that_is_lost_makes_no_second_job(run: Running, log_in: LogIn) -> None:
    """Neither of a form, also when the page is loaded anew, nor of a job that is run again."""
    tab = log_in("operator", "/jobs/new")
    tab.excuse("ERR_FAILED")
    page = tab.page
    made: list[str] = []

    def lose(route: Route) -> None:
        made.append(route.fetch().json()["jobId"])
        route.abort()

    page.route("**/api/jobs/create", lose, times=1)
    page.get_by_label("Command", exact=True).fill("echo answered")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text("The server does not answer.")).to_be_visible()
    page.reload()
    page.get_by_role("button", name="Run").click()
    page.wait_for_url(f"{run.url}/jobs/{made[0]}")
    run.api().wait_status(made[0], "completed")
    page.route("**/rerun", lose, times=1)
    page.get_by_role("button", name="Rerun", exact=True).click()
    expect(page.get_by_text("The server does not answer.")).to_be_visible()
    page.get_by_role("button", name="Rerun", exact=True).click()
    page.wait_for_url(f"{run.url}/jobs/{made[1]}")
    run.api().wait_status(made[1], "completed")
    page.get_by_role("button", name="Rerun", exact=True).click()
    page.wait_for_url(lambda url: not url.endswith((made[0], made[1])))


def test_what_is_refused_for_now_is_sent_again_by_itself_unless_that_is_called_off(run: Running, log_in: LogIn) -> None:
    tab = log_in("operator", "/jobs/new")
    tab.excuse("429")
    page = tab.page
    waits = ["600", "1"]
    full = {"error": {"code": "queue_full", "message": "5 jobs of yours wait already."}}
    page.route("**/api/jobs/create", lambda route: route.fulfill(
        status=429, headers={"Retry-After": waits.pop(0)}, json=full), times=2)  # fmt: skip
    page.get_by_label("Command", exact=True).fill("echo patience")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text("5 jobs of yours wait already.")).to_be_visible()
    expect(page.get_by_text(re.compile(r"It is sent again in (600|59\d) s\."))).to_be_visible()
    page.get_by_role("button", name="Do not send it again").click()
    expect(page.get_by_text("It is sent again")).to_have_count(0)
    assert waits == ["1"]
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("heading", name="echo patience")).to_be_visible()
    assert waits == []


def test_a_second_press_while_the_first_is_under_way_makes_no_second_job(run: Running, log_in: LogIn) -> None:
    page = log_in("operator", "/jobs/new").page
    sent = []

    def note(request: Request) -> None:
        if "/jobs/create" in request.url:
            sent.append(json.loads(request.post_data or "{}"))

    page.on("request", note)
    page.get_by_label("Command", exact=True).fill("echo once")
    page.evaluate("() => { const run = document.querySelector('form .primary'); run.click(); run.click(); }")
    expect(page.get_by_role("heading", name="echo once")).to_be_visible()
    assert sent == [{"command": "echo once"}]
