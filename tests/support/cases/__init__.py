"""Cases of the campaign: one fault each, planned by a seed, recorded, and judged by the rules of the product.

kinds      the table of all, and what each does to the system
world      what a case has: a server, its workers, the ledger, the recorder
load       who submits, follows and cancels while the fault happens
killed parted stopped unanswered cancelled   the cases themselves
one        one case from its beginning to its verdict
"""
