"""The pilot: lands on a worker node, asks for work, runs it and reports. Imports nothing by itself."""
