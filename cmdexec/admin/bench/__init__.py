"""`cmdexec bench`: how fast this machine's cmdexec is, as ratios to floors taken in the same run.

`registry` lists the workloads, `targets` what is expected of each, `run` measures them one after the other; a workload
is one file. docs/benchmarks.md is the table, docs/measuring.md how to read what is printed.
"""
