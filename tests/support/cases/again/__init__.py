"""Asking again, since the answer was lost after the effect: each operation that changes something, each way it is
reached.

scene    how an answer is lost, how often something was done, and that it is written down
people   what people ask
calls    what a worker asks by HTTP
frames   what a worker says over its socket, and a person's program over its own
table    which there are, from the operations as they are declared, and a case of each
"""
