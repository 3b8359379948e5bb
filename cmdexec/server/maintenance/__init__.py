"""What has to be done because time passes: one loop a file, each of them a Service. Several servers may run them side
by side: all that they change is one conditional write on its own row."""

from cmdexec.server.maintenance.forget import Forget
from cmdexec.server.maintenance.leases import Leases
from cmdexec.server.maintenance.overdue import Overdue
from cmdexec.server.maintenance.store_time import StoreTime

__all__ = ["Forget", "Leases", "Overdue", "StoreTime"]
