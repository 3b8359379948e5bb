"""What `import cmdexec` offers, for tools that read types."""

from cmdexec.client import Client as Client
from cmdexec.client import Connection as Connection
from cmdexec.client import Ended as Ended
from cmdexec.client import Job as Job
from cmdexec.client import JobCancelled as JobCancelled
from cmdexec.client import JobFailed as JobFailed
from cmdexec.client import JobsQuery as JobsQuery
from cmdexec.client import JobView as JobView
from cmdexec.client import NewAttempt as NewAttempt
from cmdexec.client import NewJob as NewJob
from cmdexec.client import Piece as Piece
from cmdexec.client import Result as Result
from cmdexec.client import Start as Start
from cmdexec.client import connect as connect
from cmdexec.client import connect_async as connect_async
from cmdexec.client import new_job as new_job
from cmdexec.errors import CmdexecError as CmdexecError
from cmdexec.version import __version__ as __version__
