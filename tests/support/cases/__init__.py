"""Cases of the campaign: one fault each, planned by a seed, recorded, and judged by the rules of the product.

kinds      the table of all, and what each does to the system
world      what a case has: a server, its workers, the ledger, the recorder
load       who submits, follows and cancels while the fault happens
machines   the same, with clocks that a case sets
killed parted stopped vanished slowly unanswered cancelled clocked   the cases themselves
again      asking again, for each operation and each frame
one        one case from its beginning to its verdict
"""
