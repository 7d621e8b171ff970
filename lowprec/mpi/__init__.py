"""Tables that are spread over the processes of an MPI job, with the bits of one process."""

from lowprec.mpi.loading import load
from lowprec.mpi.sharded import ShardedTable

__all__ = ["ShardedTable", "load"]
