"""Live events for people: jobs and workers as they change, told over a socket to whoever watches them."""

from cmdexec.server.live.live import Live
from cmdexec.server.live.outlet import Outlet
from cmdexec.server.live.shows import Shows
from cmdexec.server.live.watcher import Watcher

__all__ = ["Live", "Outlet", "Shows", "Watcher"]
