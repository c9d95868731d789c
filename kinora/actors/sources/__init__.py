"""The sources of a job's frames, from where a client names one to the decoder's frames."""
