"""Passwords, from a person who types without being seen, or from standard input."""

import sys

import click

from cmdexec.errors import Refused

_MOST = 1024
LEAST = 12


def given_password() -> str:
    """The first line of standard input, whole. Raises Refused."""
    try:
        text = sys.stdin.readline(_MOST + 2).rstrip("\r\n")
    except UnicodeDecodeError:
        text = ""
    if not text or len(text) > _MOST:
        raise Refused(
            "invalid_field", "Standard input holds no password.", field="--password-stdin",
            mend=f"Give it one line of up to {_MOST} characters in UTF-8.",
        )  # fmt: skip
    return text


def new_password() -> str:
    """The same, long enough for one that is to be set."""
    text = given_password()
    if len(text) < LEAST:
        raise Refused(
            "invalid_field", f"This password has {len(text)} characters.", field="--password-stdin",
            mend=f"Give it {LEAST} or more.",
        )  # fmt: skip
    return text


def own_passwords(*, from_stdin: bool) -> tuple[str, str]:
    """The one that is given up and the new one: two lines of standard input, or typed, the new one twice. Raises as
    `asked_password`."""
    if from_stdin:
        return given_password(), new_password()
    old = asked_password("Password now")
    while len(new := click.prompt("New password", hide_input=True, err=True, confirmation_prompt=True)) < LEAST:
        click.echo(f"A password has {LEAST} characters or more.", err=True)
    return old, new


def asked_password(what: str = "Password") -> str:
    """Typed on the terminal. Raises Refused where there is none, click's Abort for Ctrl-C."""
    if not sys.stdin.isatty():
        raise Refused(
            "invalid_field", "There is no terminal to ask for the password on.", field="--password-stdin",
            mend="Give the password on standard input, with this option.",
        )  # fmt: skip
    typed: str = click.prompt(what, hide_input=True, err=True)
    return typed
