"""Insight: what a store and its answers look like to those who steer it. Reads, never writes.

Each file answers one question: what an item is to people, what the catalogue looks like, how answers are taken up now, what
changed, how two ways of answering compare, what a draft of a rule would do.
"""
