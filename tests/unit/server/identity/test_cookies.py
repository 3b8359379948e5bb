"""The cookie of a browser's login: its name, what is sent of it, and what it counts for (S20, S21)."""

import pytest

from cmdexec.errors import Refused
from cmdexec.server.identity.cookies import Cookie, could_be_ours, must_be_from_us, sent, wanted

HOST = "localhost:3000"
OURS = {"Host": HOST, "Origin": f"http://{HOST}", "X-Csrf": "1", "Sec-Fetch-Site": "same-origin"}


@pytest.mark.parametrize(("host", "name"), [
    ("localhost:3000", "cmdexec-3000"), ("localhost", "cmdexec-80"), ("[::1]:3000", "cmdexec-3000"),
    ("[::1]", "cmdexec-80"), ("[fe80::7777]", "cmdexec-80"), ("localhost:", "cmdexec-80"), ("x:y", "cmdexec-80"),
])  # fmt: skip
def test_servers_on_one_machine_have_cookies_of_different_names(host: str, name: str) -> None:
    """A browser sends the cookies of one port to all."""
    assert Cookie(host, secure=False).name == name
    assert Cookie(host, secure=True).name == "__Host-cmdexec"


def test_what_a_browser_is_told_to_keep_is_for_no_script_and_no_other_site() -> None:
    assert Cookie(HOST, secure=False).set("value", 60) == (
        "cmdexec-3000=value; Path=/; Max-Age=60; HttpOnly; SameSite=Strict"
    )
    assert Cookie(HOST, secure=True).set("value", 60) == (
        "__Host-cmdexec=value; Path=/; Max-Age=60; HttpOnly; SameSite=Strict; Secure"
    )


def test_a_cookie_is_cleared_under_the_name_it_has() -> None:
    for secure, name, more in ((False, "cmdexec-3000", ""), (True, "__Host-cmdexec", "; Secure")):
        line = f"{name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict{more}"
        assert Cookie(HOST, secure=secure).clear() == line


def test_a_page_gets_one_by_how_the_browser_came_and_a_program_none() -> None:
    assert wanted({"Host": HOST}, only_tls=False) is None
    plain, secure = ({"Host": HOST, "Origin": f"{scheme}://{HOST}"} for scheme in ("http", "HTTPS"))
    for headers, name in ((plain, "cmdexec-3000"), (secure, "__Host-cmdexec")):
        cookie = wanted(headers, only_tls=False)
        assert cookie is not None
        assert cookie.name == name


@pytest.mark.parametrize(("host", "taken"), [
    ("localhost:3000", True), ("127.0.0.1:3000", True), ("[::1]:3000", True), ("[::1]", True), ("localhost", True),
    ("10.0.0.5:3000", False), ("cmdexec.example", False), ("[fe80::1]:3000", False), ("[2001:db8::1]", False),
])  # fmt: skip
def test_where_a_proxy_ends_tls_no_cookie_goes_over_a_network_without(host: str, taken: bool) -> None:
    assert wanted({"Host": host, "Origin": f"https://{host}"}, only_tls=True) is not None
    plain = {"Host": host, "Origin": f"http://{host}"}
    if taken:
        assert wanted(plain, only_tls=True) is not None
        return
    with pytest.raises(Refused, match="over TLS") as refused:
        wanted(plain, only_tls=True)
    assert refused.value.code == "bad_origin"


@pytest.mark.parametrize("line", [
    "cmdexec-3000=v", "a=b; cmdexec-3000=v", "cmdexec-3000=v;a", ";;=;cmdexec-3000= v ;cmdexec-3001=x",
    "=v;cmdexec-3000=v",
    "cmdexec-30001=x; cmdexec-3000=v; Cmdexec-3000=x",
])  # fmt: skip
def test_ours_is_found_among_those_of_others(line: str) -> None:
    found = sent(line, {"Host": HOST}, over_tls=False)
    assert found is not None
    assert (found[0].name, found[1]) == ("cmdexec-3000", ("v",))


@pytest.mark.parametrize("line", ["", ";", "cmdexec-3000", "cmdexec=v", "cmdexec-80=v", "xcmdexec-3000=v", "=", "a=b"])
def test_where_there_is_none_none_is_found(line: str) -> None:
    assert sent(line, {"Host": HOST}, over_tls=False) is None


@pytest.mark.parametrize(("origin", "over_tls", "secure"), [
    (None, False, False), (None, True, True), (f"http://{HOST}", True, False), (f"https://{HOST}", False, True),
])  # fmt: skip
def test_of_both_names_the_one_counts_that_goes_with_how_the_browser_came(
    origin: str | None, over_tls: bool, secure: bool
) -> None:
    headers = {"Host": HOST} | ({"Origin": origin} if origin else {})
    found = sent("cmdexec-3000=plain; __Host-cmdexec=secure", headers, over_tls=over_tls)
    assert found is not None
    assert (found[0].secure, found[1]) == (secure, ("secure",) if secure else ("plain",))
    alone = sent("cmdexec-3000=plain", headers, over_tls=over_tls)
    assert alone is not None
    assert alone[1] == ("plain",)


def test_several_of_one_name_are_all_found_each_once() -> None:
    found = sent("cmdexec-3000=planted; cmdexec-3000=v; cmdexec-3000=planted", {"Host": HOST}, over_tls=False)
    assert found is not None
    assert found[1] == ("planted", "v")


@pytest.mark.parametrize(("value", "ours"), [
    ("A" * 43, True), ("-_" + "0" * 41, True), ("A" * 42, False), ("A" * 44, False), ("A" * 42 + "=", False),
    ("Ä" * 43, False), ("A" * 42 + "\n", False), ("", False), ("A" * 100_000, False),
])  # fmt: skip
def test_only_what_has_the_form_of_ours_is_looked_up(value: str, ours: bool) -> None:
    assert could_be_ours(value) is ours


COOKIE, SECURE = Cookie(HOST, secure=False), Cookie(HOST, secure=True)


def test_our_own_pages_may_use_it() -> None:
    for effect in (True, False):
        must_be_from_us(OURS, COOKIE, effect=effect, csrf=True)
    must_be_from_us({"Host": HOST}, COOKIE, effect=False, csrf=True)
    must_be_from_us(OURS | {"Origin": f"https://{HOST}"}, SECURE, effect=True, csrf=True)
    must_be_from_us({"Host": HOST.upper(), "Origin": f"http://{HOST}"}, COOKIE, effect=True, csrf=False)
    must_be_from_us({"Host": HOST, "Sec-Fetch-Site": "none"}, COOKIE, effect=False, csrf=False)


@pytest.mark.parametrize("changed", [
    {"Origin": None}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": ""}, {"Origin": "http://localhost"},
    {"Origin": "http://localhost:30000"}, {"Origin": "http://localhost:3000.evil.example"}, {"X-Csrf": None},
    {"Origin": "https://localhost:3000"}, {"Origin": "http://localhost:3000/"}, {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "Cross-Site"},
], ids=str)  # fmt: skip
def test_what_changes_something_needs_all_of_it_exactly(changed: dict[str, str | None]) -> None:
    headers = {name: value for name, value in (OURS | changed).items() if value is not None}
    with pytest.raises(Refused) as refused:
        must_be_from_us(headers, COOKIE, effect=True, csrf=True)
    assert refused.value.code == "bad_origin"


def test_reading_needs_nothing_but_that_no_other_page_asks() -> None:
    for changed in (
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        with pytest.raises(Refused):
            must_be_from_us({"Host": HOST} | changed, COOKIE, effect=False, csrf=True)


def test_a_page_without_tls_cannot_use_the_cookie_that_tls_set() -> None:
    with pytest.raises(Refused):
        must_be_from_us(OURS, SECURE, effect=True, csrf=True)
