"""The factory's rules: each makes a number of the number before it, and says why.

They know nothing but facts and limits, so that a decision can be shown, tested and repeated with other limits.
Idea of the chain: the Auto Pilot Factory of PanDA sites, whose schedule rules hand on a number and a message.
"""
