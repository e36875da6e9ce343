"""Processes on one machine or many; the only package that uses Ray."""
