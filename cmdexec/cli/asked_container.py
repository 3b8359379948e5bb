"""What a job runs in, from what stands on the command line."""

import re
from typing import Literal, TypedDict

import click

from cmdexec.cli.job_options import JobOptions
from cmdexec.protocol.requests import CONTAINER_USER, IMAGE

_IMAGE_MAX = 500


class AskedContainer(TypedDict):
    """Fields of `NewJob`."""

    container_image: str | None
    network: Literal["none", "bridge"] | None
    pull: Literal["missing", "always", "never"] | None
    user: str | None


def asked_container(options: JobOptions) -> AskedContainer:
    """The fields that say it. Raises click.BadParameter, which names the option."""
    if options.image is None:
        for option in ("network", "pull", "user"):
            if getattr(options, option) is not None:
                raise click.BadParameter(
                    "This is of a container, and the job names none. Write also --image IMAGE.",
                    param_hint=f"--{option}",
                )
    elif len(options.image) > _IMAGE_MAX or not re.match(IMAGE, options.image):
        raise click.BadParameter(
            f"{options.image!r} is no name of an image. Write one such as alpine:3.20 or registry.example.net/tool.",
            param_hint="--image",
        )
    return {
        "container_image": options.image, "network": _network(options.network), "pull": _pull(options.pull),
        "user": _user(options.user),
    }  # fmt: skip


def _network(text: str | None) -> Literal["none", "bridge"] | None:
    match text:
        case None | "none" | "bridge":
            return text
        case _:
            raise click.BadParameter(f"{text!r} is none of the choices. Write none or bridge.", param_hint="--network")


def _pull(text: str | None) -> Literal["missing", "always", "never"] | None:
    match text:
        case None | "missing" | "always" | "never":
            return text
        case _:
            raise click.BadParameter(
                f"{text!r} is none of the choices. Write missing, always or never.", param_hint="--pull"
            )


def _user(text: str | None) -> str | None:
    if text is not None and not re.match(CONTAINER_USER, text):
        raise click.BadParameter(
            f"{text!r} is no user in digits. Write UID or UID:GID, such as 1000 or 1000:1000.", param_hint="--user"
        )
    return text
