"""What pilots of PanDA's makers run in the stead of a job of ours: a program that they fetch, and words for it."""
