"""What may end a running job from outside, one small module per check: a job's directory in, a problem or none out."""
