"""Two scripted workers that say everything wrong: frames doubled, out of order, with gaps, of older attempts and of
jobs of each other, many per second over one socket each.

job      what a job must be after all that was said of it: the rules of the promises once more, in a hundred lines
script   what is said of one job next, drawn from a seed
wire     one worker's socket
rounds   many jobs at once, step by step, each answer compared with what the job of `job` says
verdict  what is stored in the end, compared with the same
"""
