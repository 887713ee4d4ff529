"""Fuzzes everything that reads bytes from outside."""
