"""Cases of the campaign: one fault each, planned by a seed, recorded, and judged by the rules of the product.

kinds      the table of all, and what each does to the system
homes      where its servers keep what they have: SQLite, MongoDB, a set of three that may be broken
world      what a case has: servers, workers, the ledger, the recorder
load       who submits, follows and cancels while the fault happens
machines   the same, with clocks that a case sets
killed parted stopped vanished slowly unanswered cancelled clocked race failing   the cases themselves
again      asking again, for each operation and each frame
one        one case from its beginning to its verdict
"""
