"""Who is who: passwords, tokens, sessions, the credentials of workers. Nobody else sees a key or a hash."""

from cmdexec.server.identity.who import NOBODY, Identity

__all__ = ["NOBODY", "Identity"]
