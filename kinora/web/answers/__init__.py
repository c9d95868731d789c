"""How answers are made and sent, those with a job's frames above all."""
