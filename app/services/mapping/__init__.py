"""Rows to views: pure functions without a query of their own."""
