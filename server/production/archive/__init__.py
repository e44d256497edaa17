"""Files on their way to tape: which ones are right to go, what is asked for, and what is true of them afterwards."""
