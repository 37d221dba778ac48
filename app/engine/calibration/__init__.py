"""Observers collect mergeable statistics over samples; range estimators turn them into a range per tensor."""
