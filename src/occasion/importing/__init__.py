"""Importing: files of many shapes into the store; every rejected row explained."""
