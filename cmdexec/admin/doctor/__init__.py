"""`cmdexec doctor --verify`: whether what a store holds can have come about as the promises say.

rules    what must be true of each job, and of all of them, each declared once
seen     one job with what is stored of its output, as it stood at one moment
verify   goes through a store and applies the rules; what came of it
recorded the same of a history that was recorded outside: who was answered what, and what the jobs themselves wrote
"""
