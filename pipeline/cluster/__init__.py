"""Processes on one machine or many; the one room that knows Ray."""
