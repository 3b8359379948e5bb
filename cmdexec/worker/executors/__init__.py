"""Ways to run a job: one file each, behind the interface of `contract`."""
